//! The contract of [`Notifier`](waiterix_ports::Notifier) over two transports, whichever of them has the connections.

mod sockets_first {
    use std::sync::Arc;

    use waiterix_adapters_local::memory::MemoryNotifier;
    use waiterix_contract::notifier::NotifierFixture;
    use waiterix_migration::DualNotifier;

    use crate::line::NoSockets;

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> NotifierFixture {
        let (first, second) = (Arc::new(MemoryNotifier::new()), Arc::new(NoSockets::default()));
        NotifierFixture::sockets(Arc::new(DualNotifier::new(first, second)))
    }

    waiterix_contract::notifier_contract!("two transports, connections in the first", fresh);
}

mod sockets_second {
    use std::sync::Arc;

    use waiterix_adapters_local::memory::MemoryNotifier;
    use waiterix_contract::notifier::NotifierFixture;
    use waiterix_migration::DualNotifier;

    use crate::line::NoSockets;

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> NotifierFixture {
        let (first, second) = (Arc::new(NoSockets::default()), Arc::new(MemoryNotifier::new()));
        NotifierFixture::sockets(Arc::new(DualNotifier::new(first, second)))
    }

    waiterix_contract::notifier_contract!("two transports, connections in the second", fresh);
}

mod sockets_in_both {
    use std::sync::Arc;

    use waiterix_adapters_local::memory::MemoryNotifier;
    use waiterix_contract::notifier::NotifierFixture;
    use waiterix_migration::DualNotifier;

    #[allow(clippy::unused_async, reason = "the suite awaits its fixtures")]
    async fn fresh() -> NotifierFixture {
        let (first, second) = (Arc::new(MemoryNotifier::new()), Arc::new(MemoryNotifier::new()));
        NotifierFixture::sockets(Arc::new(DualNotifier::new(first, second)))
    }

    waiterix_contract::notifier_contract!("two transports that reach the same", fresh);
}
