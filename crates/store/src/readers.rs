//! A few threads that read, each with its own connection; every closure sees one unchanging view.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::error::StoreError;
use crate::open::{Location, OpenError};
use crate::row_key::RowKey;
use crate::sql::{Conn, DbError, Driver, Postgres, Snapshot, Sqlite};
use crate::store::Threads;

/// Reads that may wait before callers have to.
const QUEUE_MAX: usize = 1024;

type Job = Box<dyn FnOnce(Result<&mut Conn, StoreError>) + Send>;

#[derive(Clone)]
pub(crate) struct Readers(mpsc::Sender<Job>);

impl Readers {
    pub(crate) fn start(
        count: usize,
        location: &Location,
        key: &Arc<RowKey>,
        threads: &mut Threads,
    ) -> Result<Self, OpenError> {
        let (send, receive) = mpsc::channel::<Job>(QUEUE_MAX);
        let receive = Arc::new(Mutex::new(receive));
        for _ in 0..count {
            let (location, key, receive) = (location.clone(), Arc::clone(key), Arc::clone(&receive));
            let mut conn = connect(&location, &key)?;
            threads.spawn("remit-read", move || {
                loop {
                    let job = receive
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .blocking_recv();
                    let Some(job) = job else { return };
                    if conn.is_closed() {
                        match connect(&location, &key) {
                            Ok(fresh) => conn = fresh,
                            Err(error) => {
                                job(Err(error.into()));
                                continue;
                            }
                        }
                    }
                    match conn.begin(Snapshot::Read) {
                        Ok(()) => job(Ok(&mut conn)),
                        Err(error) => job(Err(error.into())),
                    }
                    // Nothing was written; a connection that cannot even end its view is noticed by the next job.
                    let _ended = conn.rollback();
                }
            })?;
        }
        Ok(Self(send))
    }

    pub(crate) async fn read<T, E>(
        &self,
        read: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            let result = match conn {
                Ok(conn) => read(conn),
                Err(error) => Err(error.into()),
            };
            drop(reply.send(result));
        });
        let gone = || StoreError::Unavailable("it was shut down".to_owned());
        self.0.send(job).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn connect(location: &Location, key: &Arc<RowKey>) -> Result<Conn, DbError> {
    let driver = match location {
        Location::Sqlite(path) => Driver::Sqlite(Sqlite::open(path, true)?),
        Location::Postgres(url) => Driver::Postgres(Box::new(Postgres::open(url, true)?)),
    };
    Ok(Conn::new(driver, Arc::clone(key)))
}
