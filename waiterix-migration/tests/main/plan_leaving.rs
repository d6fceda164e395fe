//! A process that serves leaves the plan, and nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use waiterix_contract::{ManualClock, eventually};
use waiterix_migration::MemoryPlan;
use waiterix_migration::plan::{Pace, Watch};
use waiterix_ports::Result;
use waiterix_ports::moving::{
    Forgetting, LedgerEntry, MovingPort, Plan, PlanStore, PortStanding, Turns, Watcher,
};

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
