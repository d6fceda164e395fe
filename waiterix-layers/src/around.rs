//! What a wrapper is: something done around the call of any operation of any port.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use waiterix_ports::{ByteStream, Result};

use crate::operation::Operation;
use crate::upload::Upload;

/// Something done around the call of any operation. [`wrap`] makes a port of it.
pub trait Around: fmt::Debug + Send + Sync + 'static {
    /// Answers a call, usually by beginning it and awaiting the answer.
    fn around<'a, T: Send + 'a>(&'a self, call: Call<'a, T>) -> impl Future<Output = Result<T>> + Send + 'a;

    /// What becomes of the body of a download, which is read after its call was answered.
    fn body(&self, body: ByteStream) -> ByteStream {
        body
    }
}

/// A call that can be begun, again and again if its operation allows that.
pub struct Call<'a, T> {
    /// The operation.
    pub operation: &'static Operation,
    begin: &'a (dyn Fn() -> BoxFuture<'a, Result<T>> + Sync),
    upload: Option<&'a Upload>,
}

impl<T> fmt::Debug for Call<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(self.operation).finish()
    }
}

impl<'a, T> Call<'a, T> {
    pub(crate) const fn new(
        operation: &'static Operation,
        begin: &'a (dyn Fn() -> BoxFuture<'a, Result<T>> + Sync),
    ) -> Self {
        Self { operation, begin, upload: None }
    }

    /// A call that reads a body while it lasts.
    pub(crate) const fn uploading(self, upload: &'a Upload) -> Self {
        Self { upload: Some(upload), ..self }
    }

    /// Sends it. Dropping the future gives it up, and for an operation that writes nobody knows then whether it was done.
    #[must_use]
    pub fn begin(&self) -> BoxFuture<'a, Result<T>> {
        (self.begin)()
    }

    /// Whether it can be sent as it was: not when a body was begun that can be read only once.
    #[must_use]
    pub fn can_begin_again(&self) -> bool {
        self.upload.is_none_or(|upload| !upload.is_begun())
    }

    /// When a piece of its body was taken last.
    #[must_use]
    pub fn last_progress(&self) -> Option<Instant> {
        self.upload.and_then(Upload::last_progress)
    }
}

/// A port with something around every call.
#[derive(Debug)]
pub(crate) struct Layered<P: ?Sized, A> {
    pub(crate) port: Arc<P>,
    pub(crate) around: A,
}

/// A port as the application holds it: `dyn Store`, `dyn BlobStore`, `dyn Mailer`, `dyn SessionStore` or `dyn Notifier`.
pub trait Wrap: Send + Sync + 'static {
    /// This port with something around every call; [`wrap`] reads better.
    #[must_use]
    fn wrapped(port: Arc<Self>, around: impl Around) -> Arc<Self>;
}

/// A port with something around every call. What is wrapped last is outermost.
#[must_use]
pub fn wrap<P: Wrap + ?Sized>(port: Arc<P>, around: impl Around) -> Arc<P> {
    P::wrapped(port, around)
}
