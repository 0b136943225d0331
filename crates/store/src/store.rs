//! The store as its users hold it: append, read, sequence, and know when it has stopped.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{JoinHandle, Thread};

use tokio::sync::oneshot;

use remit_ledger::record::Record;

use crate::append::{
    AppendError, Appended, ApplyError, Chore, Lane, Queue, Receipt, Refused, TreeHead, Tx, Writer,
};
use crate::error::StoreError;
use crate::lock::OwnerLock;
use crate::open::OpenError;
use crate::readers::Readers;
use crate::sql::{Conn, Sqlite};
use crate::tree::StoredCheckpoint;

/// A handle; cloning it is cheap. The database is let go of when the last one is dropped.
#[derive(Clone)]
pub struct Store {
    // Dropped in this order: without readers' senders their threads end, then the threads are joined.
    readers: Readers,
    express: Readers,
    inner: Arc<Inner>,
}

struct Inner {
    queue: Arc<Queue>,
    threads: Mutex<Threads>,
}

impl Store {
    pub(crate) fn new(queue: Arc<Queue>, readers: Readers, express: Readers, threads: Threads) -> Self {
        Self {
            readers,
            express,
            inner: Arc::new(Inner {
                queue,
                threads: Mutex::new(threads),
            }),
        }
    }

    /// Records `record` and makes the change it stands for, both or neither.
    ///
    /// `record` comes without place and time. `apply` runs on the writer's thread inside the transaction; it checks
    /// its expectations, then writes, may run more than once, and must do the same each time. When this returns a
    /// receipt, both are durable. When the caller goes away before, the append may still be made.
    ///
    /// # Errors
    /// [`AppendError::Refused`] when an expectation failed: nothing was recorded, decide anew.
    pub async fn append<T, F>(&self, record: Record, apply: F) -> Result<(Receipt, T), AppendError>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, ApplyError> + Send + 'static,
        T: Send + 'static,
    {
        self.append_in(Lane::Normal, record, apply).await
    }

    /// As [`Self::append`], ahead of everything that waits: for what takes authority away.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub async fn append_urgent<T, F>(&self, record: Record, apply: F) -> Result<(Receipt, T), AppendError>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, ApplyError> + Send + 'static,
        T: Send + 'static,
    {
        self.append_in(Lane::Urgent, record, apply).await
    }

    async fn append_in<T, F>(&self, lane: Lane, record: Record, apply: F) -> Result<(Receipt, T), AppendError>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, ApplyError> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let made = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&made);
        let leaf = record.open_leaf()?;
        let mut keys = Vec::with_capacity(6);
        crate::records::keys(&record, |key| keys.push(key));
        let job = Appended {
            record,
            leaf,
            keys,
            apply: Box::new(move |tx| {
                let value = apply(tx)?;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                Ok(())
            }),
            reply,
        };
        self.inner.queue.push(job, lane).await?;
        let done = answer.await.map_err(|_| self.inner.queue.unavailable())??;
        let receipt = Receipt::of(done.record, done.leaf);
        let value = made.lock().unwrap_or_else(PoisonError::into_inner).take();
        value
            .map(|value| (receipt, value))
            .ok_or_else(|| self.inner.queue.unavailable())
    }

    /// As [`Self::append`], for threads outside an async runtime.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_blocking<T, F>(&self, record: Record, apply: F) -> Result<(Receipt, T), AppendError>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, ApplyError> + Send + 'static,
        T: Send + 'static,
    {
        block_on(self.append(record, apply))
    }

    /// As [`Self::append_urgent`], for threads outside an async runtime.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_urgent_blocking<T, F>(&self, record: Record, apply: F) -> Result<(Receipt, T), AppendError>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, ApplyError> + Send + 'static,
        T: Send + 'static,
    {
        block_on(self.append_urgent(record, apply))
    }

    /// Runs `read` over one unchanging view of what is durable.
    ///
    /// # Errors
    /// Those of `read`, and [`StoreError`] when the database cannot be reached.
    pub async fn read<T, E>(
        &self,
        read: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.readers.read(read).await
    }

    /// As [`Self::read`], over a connection of its own that nothing else waits for: for what takes authority away.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_urgent<T, E>(
        &self,
        read: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.express.read(read).await
    }

    /// As [`Self::read`], for threads outside an async runtime.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_blocking<T, E>(
        &self,
        read: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        block_on(self.read(read))
    }

    /// Brings every record made so far into the tree and says what a checkpoint over them signs.
    ///
    /// # Errors
    /// [`AppendError::Unavailable`] when the store has stopped, [`AppendError::Store`] when the tree cannot grow.
    pub async fn sequence(&self) -> Result<TreeHead, AppendError> {
        let (reply, answer) = oneshot::channel();
        self.inner.queue.push_chore(Chore::Sequence(reply))?;
        answer
            .await
            .map_err(|_| self.inner.queue.unavailable())?
            .map_err(AppendError::Store)
    }

    /// As [`Self::sequence`], for threads outside an async runtime.
    ///
    /// # Errors
    /// As [`Self::sequence`].
    pub fn sequence_blocking(&self) -> Result<TreeHead, AppendError> {
        block_on(self.sequence())
    }

    /// Keeps a signed checkpoint; keep it before anybody sees it.
    ///
    /// # Errors
    /// [`Refused::NotAllowed`] when one over more records, or over as many with another root, is kept already; else
    /// as [`Self::sequence`].
    pub async fn put_checkpoint(&self, checkpoint: StoredCheckpoint) -> Result<(), AppendError> {
        let (reply, answer) = oneshot::channel();
        self.inner
            .queue
            .push_chore(Chore::Checkpoint(checkpoint, reply))?;
        let kept = answer.await.map_err(|_| self.inner.queue.unavailable())?;
        if kept.map_err(AppendError::Store)? {
            Ok(())
        } else {
            let why = "a checkpoint over more records, or with another root, is kept already";
            Err(Refused::NotAllowed(why.to_owned()).into())
        }
    }

    /// As [`Self::put_checkpoint`], for threads outside an async runtime.
    ///
    /// # Errors
    /// As [`Self::put_checkpoint`].
    pub fn put_checkpoint_blocking(&self, checkpoint: StoredCheckpoint) -> Result<(), AppendError> {
        block_on(self.put_checkpoint(checkpoint))
    }

    /// Resolves once the store has stopped, with the reason. The process must then end: what is durable is found
    /// out by the next start, and nothing may happen without a record.
    pub async fn failed(&self) -> Arc<str> {
        let mut failure = self.inner.queue.failure();
        let seen = failure.wait_for(Option::is_some).await;
        seen.ok()
            .and_then(|why| why.clone())
            .unwrap_or_else(|| "it was shut down".into())
    }

    /// Makes what is queued, then stops. Later appends are refused.
    pub fn close(&self) {
        self.inner.queue.close();
        self.inner
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join_writer();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
        self.threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .join();
    }
}

/// The database threads, and the lock that is let go of after them.
pub(crate) struct Threads {
    writer: Option<JoinHandle<()>>,
    others: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    checkpointer: Option<Thread>,
    _lock: Option<OwnerLock>,
}

impl Threads {
    pub(crate) fn new(lock: Option<OwnerLock>) -> Self {
        Self {
            writer: None,
            others: Vec::new(),
            stop: Arc::default(),
            checkpointer: None,
            _lock: lock,
        }
    }

    pub(crate) fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        self.others.push(start(name, run)?);
        Ok(())
    }

    pub(crate) fn writer(&mut self, writer: Writer) -> Result<(), OpenError> {
        self.writer = Some(start("remit-write", move || writer.run())?);
        Ok(())
    }

    pub(crate) fn checkpointer(
        &mut self,
        sqlite: Sqlite,
        wal: PathBuf,
        finish: Arc<AtomicBool>,
    ) -> Result<(), OpenError> {
        let stop = Arc::clone(&self.stop);
        let handle = start("remit-wal", move || crate::wal::run(sqlite, &wal, &finish, &stop))?;
        self.checkpointer = Some(handle.thread().clone());
        self.others.push(handle);
        Ok(())
    }

    fn join_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            let _panicked = writer.join();
        }
    }

    fn join(&mut self) {
        self.join_writer();
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = &self.checkpointer {
            thread.unpark();
        }
        for thread in self.others.drain(..) {
            let _panicked = thread.join();
        }
    }
}

fn start(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|error| {
            OpenError::Store(StoreError::Unavailable(format!(
                "thread {name} cannot be started: {error}"
            )))
        })
}

/// Waits for a future that needs no runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
