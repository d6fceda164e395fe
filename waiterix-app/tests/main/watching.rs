//! What is told of requests to whoever watches: the labels are words of the code, whatever is asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use waiterix_app::http::meter::{Answered, RequestMeter};
use waiterix_app::{App, Ports, http};

use crate::common::{House, Owner, message};
use crate::down::Down;

/// Method, route, class, and whether it is a fault of ours.
type Told = (&'static str, String, &'static str, bool);

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<(Told, Duration)>>);

impl RequestMeter for Kept {
    fn observe(&self, answered: &Answered<'_>) {
        let told = (answered.method, answered.route.to_owned(), answered.class(), answered.is_fault());
        self.0.lock().unwrap().push((told, answered.duration));
    }
}

impl Kept {
    fn take(&self) -> Vec<(Told, Duration)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A watched house with an owner, some of whose ports are replaced.
async fn watched(replace: impl FnOnce(&mut Ports)) -> (House, Owner, Arc<Kept>) {
    let mut house = House::new();
    let (ada, _) = house.owner("ada").await;
    let kept = Arc::new(Kept::default());
    let mut ports = house.app.ports.clone();
    replace(&mut ports);
    let app = App::new(ports, house.app.clock.clone(), house.app.random.clone(), house.app.settings.clone());
    house.app = Arc::new(app.with_meter(kept.clone()));
    house.router = http::service(house.app.clone());
    (house, ada, kept)
}

#[tokio::test]
async fn g173_requests_are_told_by_method_route_and_class_and_nothing_that_clients_choose() {
    let (house, ada, kept) = watched(|_| {}).await;
    let send = async |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        house.send(request).await
    };
    house.get("/api/orders/4f9c7c1e-0000-4000-8000-000000000001/track").await;
    house.get("/api/public/restaurant/ada-restaurant?email=guest@example.org").await;
    house.get_as(&ada, "/api/auth/user").await;
    house.get("/api/auth/user").await;
    house.put_as(&ada, "/api/orders/guest@example.org/status", json!({ "status": "preparing" })).await;
    send("GET", "/api/nothing/guest@example.org").await;
    send("GET", "/erika.mustermann").await;
    send("DELETE", "/api/auth/user").await;
    send("ERIKA.MUSTERMANN", "/api/auth/user").await;
    let told: Vec<Told> = kept.take().into_iter().map(|(told, _)| told).collect();
    let expected = |method, route: &str, class| (method, route.to_owned(), class, false);
    assert_eq!(
        told,
        [
            expected("GET", "/api/orders/{id}/track", "4xx"),
            expected("GET", "/api/public/restaurant/{id}", "2xx"),
            expected("GET", "/api/auth/user", "2xx"),
            expected("GET", "/api/auth/user", "4xx"),
            expected("PUT", "/api/orders/{id}/status", "4xx"),
            expected("GET", "-", "4xx"),
            expected("GET", "-", "4xx"),
            expected("DELETE", "/api/auth/user", "4xx"),
            expected("OTHER", "/api/auth/user", "4xx"),
        ]
    );
}

/// The clock of the runtime stands still and jumps to the next deadline, so nobody waits.
#[tokio::test(start_paused = true)]
async fn a_request_that_took_too_long_is_told_as_a_fault_with_its_duration() {
    let (house, ada, kept) = watched(|ports| ports.sessions = Arc::new(Down::Silent)).await;
    house.get_as(&ada, "/api/auth/user").await.refused(503, message("The request took too long"));
    let expected = ("GET", "/api/auth/user".to_owned(), "5xx", true);
    assert_eq!(kept.take(), [(expected, Duration::from_secs(25))]);
}

#[tokio::test(start_paused = true)]
async fn a_request_nobody_waits_for_any_more_is_told_as_abandoned() {
    let (house, ada, kept) = watched(|ports| ports.sessions = Arc::new(Down::Silent)).await;
    let patience = Duration::from_secs(3);
    assert!(tokio::time::timeout(patience, house.get_as(&ada, "/api/auth/user")).await.is_err());
    assert_eq!(kept.take(), [(("GET", "/api/auth/user".to_owned(), "abandoned", false), patience)]);
}
