//! A process that serves leaves the plan, and nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use waiterix_contract::race::refused;
use waiterix_contract::{ManualClock, eventually};
use waiterix_migration::MemoryPlan;
use waiterix_migration::plan::{Pace, Watch};
use waiterix_ports::moving::{
    Forgetting, LedgerEntry, MovingPort, Plan, PlanStore, PortStanding, Turns, Watcher,
};
use waiterix_ports::{ErrorKind, Result};

const SOON: Duration = Duration::from_secs(30);

/// A plan that is slow to hear what somebody has seen.
#[derive(Debug)]
struct Slow {
    inner: Arc<MemoryPlan>,
    asked: AtomicUsize,
    hears: Semaphore,
}

#[async_trait]
impl PlanStore for Slow {
    async fn plan(&self) -> Result<Plan> {
        self.inner.plan().await
    }

    async fn shift(&self, port: MovingPort, seen: u64, to: &PortStanding, why: &LedgerEntry) -> Result<bool> {
        self.inner.shift(port, seen, to, why).await
    }

    async fn look(&self, instance: &str, seen: &Turns) -> Result<Plan> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _heard = self.hears.acquire().await.unwrap();
        self.inner.look(instance, seen).await
    }

    async fn leave(&self, instance: &str) -> Result<()> {
        self.inner.leave(instance).await
    }

    async fn forget(&self, instance: &str, silent: Duration, why: &LedgerEntry) -> Result<Forgetting> {
        self.inner.forget(instance, silent, why).await
    }

    async fn instances(&self) -> Result<Vec<Watcher>> {
        self.inner.instances().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_ended_is_not_heard_of_again() {
    let hears = Semaphore::new(0);
    let slow = Arc::new(Slow { inner: Arc::default(), asked: AtomicUsize::new(0), hears });
    let clock = Arc::new(ManualClock::default());
    let watch = Arc::new(Watch::new(slow.clone(), "ends", Pace::default(), clock));
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let running = watch.clone();
    let running = tokio::spawn(async move { running.run(async { drop(ended.await) }).await });
    eventually(SOON, "it looks", async || slow.asked.load(Ordering::SeqCst) == 1).await;
    // It ends while what it says is still on its way.
    end.send(()).unwrap();
    let leaving = watch.clone();
    let leaving = tokio::spawn(async move { leaving.leave().await });
    slow.hears.add_permits(1);
    running.await.unwrap();
    leaving.await.unwrap().unwrap();
    assert_eq!(slow.instances().await.unwrap(), Vec::<Watcher>::new());
    // Whoever calls it all the same is refused, and is not heard.
    let refused = watch.look().await.unwrap_err();
    assert!(refused.to_string().contains("has left the plan"), "{refused}");
    assert_eq!(slow.instances().await.unwrap(), Vec::<Watcher>::new());
}

fn watch(plan: &Arc<MemoryPlan>) -> Arc<Watch> {
    Arc::new(Watch::new(plan.clone(), "ends", Pace::default(), Arc::new(ManualClock::default())))
}

/// Nobody waits for it when the leader changes.
#[tokio::test]
async fn an_instance_that_ended_serves_nothing_by_what_it_saw_last() {
    let plan = Arc::new(MemoryPlan::default());
    let watch = watch(&plan);
    let phases = watch.phases(MovingPort::Sessions);
    drop(phases.writing().await.unwrap());
    watch.leave().await.unwrap();
    refused(phases.writing().await.map(drop), ErrorKind::Unavailable, "it would write where nobody looks");
    refused(phases.reading().await, ErrorKind::Unavailable, "it would read what is out of date");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_ends_is_waited_for_while_it_writes() {
    let plan = Arc::new(MemoryPlan::default());
    let watch = watch(&plan);
    let phases = watch.phases(MovingPort::Sessions);
    let pass = phases.writing().await.unwrap();
    let leaving = watch.clone();
    let leaving = tokio::spawn(async move { leaving.leave().await });
    eventually(SOON, "it is about to leave", async || watch.look().await.is_err()).await;
    assert_eq!(plan.instances().await.unwrap().len(), 1, "its write is under way");
    // Whoever waited for the end of the other ones is refused when they have ended.
    let late = tokio::spawn(async move { phases.writing().await.map(drop) });
    drop(pass);
    leaving.await.unwrap().unwrap();
    refused(late.await.unwrap(), ErrorKind::Unavailable, "it has left");
    assert_eq!(plan.instances().await.unwrap(), Vec::<Watcher>::new());
}
