//! The reader as a whole: a thread that follows, a thread that answers.

use crate::ops::blocking::read_key;
use crate::ops::config::{Config, History, Serve};
use crate::ops::health::Health;
use crate::rights::audit::Audit;
use crate::rights::pseudonym::Pseudonyms;
use crate::rights::users::Users;
use crate::serve::archive::{Archive, Archived, Begun};
use crate::serve::catalog::Facts;
use crate::serve::door::{Door, LISTENERS_MAX, router};
use crate::serve::evidence::Exports;
use crate::serve::follow::{Done, Followed, Follower};
use crate::serve::itself::Itself;
use crate::serve::query::{Desk, Limits, Seen};
use crate::serve::requests::Requests;
use crate::serve::store::Store;
use crate::serve::wire::listener::{Listener, Tls};
use crate::serve::wire::login::Access;
use anyhow::Context;
use foreshock_compiler::Pack;
use foreshock_log::Log;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;

/// How long answers that are under way may take at the end.
const END: Duration = Duration::from_secs(3);
/// Before the last batch that is kept: records are looked for from there on.
const BEFORE_MS: i64 = 60_000;

/// A running reader.
pub struct Reader {
    /// Where it answers.
    pub address: SocketAddr,
    /// Where it answers PostgreSQL clients.
    pub postgres: Option<SocketAddr>,
    /// What it counts.
    pub followed: Arc<Followed>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// Where a history is kept: what is read, and what is kept of it.
    kept: Option<(Arc<Store>, Arc<Archived>)>,
}

/// From where on a reader knows the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// All there is.
    Beginning,
    /// As the configuration says.
    Configured,
}

impl Reader {
    /// Follows and answers from now on. The rules are those it can tell about.
    ///
    /// # Errors
    /// When the address is taken, or may not be used.
    pub fn start(config: &Config, pack: &Pack, since: Since) -> anyhow::Result<Reader> {
        let listener = TcpListener::bind(&config.serve.listen)
            .with_context(|| format!("serve.listen: cannot listen on {}", config.serve.listen))?;
        let address = listener.local_addr()?;
        anyhow::ensure!(
            address.ip().is_loopback(),
            "serve.listen: {address} can be reached from other machines, and nobody is asked who he is yet: only a loopback \
             address, such as 127.0.0.1:8640, is taken"
        );
        listener.set_nonblocking(true)?;
        let settings = &config.serve;
        let store = Arc::new(Store::new(settings.rows_max));
        let (archive, begun) = archive(&config.history, &store)?;
        // A history that has a trail would show it as it was, for ever.
        let has_register = since == Since::Beginning || config.blocking.is_on() || begun.of(Log::Register).is_some();
        let limits = Limits::of(settings);
        let given = |path: &Path| !path.as_os_str().is_empty();
        let users = given(&settings.users).then(|| Users::read(&settings.users)).transpose()?.map(Arc::new);
        let audit = given(&settings.audit).then(|| Audit::open(&settings.audit)).transpose()?;
        let pseudonyms = users.as_ref().map_or_else(|| Pseudonyms::new(&[]), |users| users.pseudonyms.clone());
        let wire = wire(settings, users.clone())?;
        let (followed, health) = (Arc::new(Followed::default()), Arc::new(Health::default()));
        health.set("topics", false, "not yet read");
        if has_register {
            health.set("register", false, "not yet read");
        }
        let archived = archive.is_some().then(Arc::<Archived>::default);
        let kept = archived.clone().map(|archived| (store.clone(), archived));
        let itself = Itself { health: health.clone(), archived: archived.clone(), running: Arc::default() };
        let seen = Seen { pseudonyms, audit };
        let desk = Arc::new(Desk::new(store.clone(), Facts::new(pack)?, limits, seen, itself)?);
        let stop = Arc::new(AtomicBool::new(false));
        let listener_of = |(socket, access, tls)| {
            (socket, Listener { desk: desk.clone(), access, tls, connections_max: settings.connections_max })
        };
        let (postgres, wire) = match wire {
            Some(wire) => (Some(wire.0.local_addr()?), Some(listener_of(wire))),
            None => (None, None),
        };
        let listeners = Arc::new(Semaphore::new(LISTENERS_MAX));
        let key = || {
            let key = given(&settings.key).then(|| read_key(&settings.key)).transpose();
            key.with_context(|| format!("serve.key: {}", settings.key.display()))
        };
        let signer = key()?.filter(|_| config.blocking.is_on());
        let started = signer.map(|signer| Requests::start(&config.kafka, signer, &health, &stop)).transpose()?;
        let (requests, acts) = started.unzip();
        let door = Door {
            desk,
            users,
            health: health.clone(),
            followed: followed.clone(),
            archived: archived.clone(),
            listeners,
            requests,
            exports: Arc::new(Exports::new(config.kafka.clone(), key()?, since == Since::Configured)),
        };
        // What is kept is not read again, but for what its broker may have dated a little later.
        let kept_ms = store.state().written_us.map(|us| us / 1_000 - BEFORE_MS);
        let since_ms = kept_ms.or(since_ms(since, settings.live_hours));
        let mut threads = vec![answers(listener, door, wire, stop.clone())?];
        threads.extend(acts);
        if let (Some(archive), Some(archived)) = (archive, archived) {
            let (store, health, stop) = (store.clone(), health.clone(), stop.clone());
            let thread = std::thread::Builder::new().name("history".into());
            threads.push(thread.spawn(move || archive.run(&store, &archived, &health, &stop))?);
        }
        // The trail of acts is short, and kept for ever: all of it is read.
        let logs = [Some((Log::Engine, since_ms)), has_register.then_some((Log::Register, None))];
        for (log, since_ms) in logs.into_iter().flatten() {
            let parts = (store.clone(), followed.clone(), health.clone());
            threads.push(follows(config.clone(), log, since_ms, begun.of(log).cloned(), parts, stop.clone())?);
        }
        Ok(Reader { address, postgres, followed, stop, threads, kept })
    }

    /// Ends in good order. Has the history, if there is one, all that was read? Where not, it was said why.
    pub fn end(self) -> bool {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the reader ended by a fault of this program");
            }
        }
        self.kept.is_none_or(|(store, archived)| archived.has_all(&store.state()))
    }
}

fn since_ms(since: Since, live_hours: u32) -> Option<i64> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let since_s = now.as_secs().saturating_sub(u64::from(live_hours) * 3_600);
    (since == Since::Configured).then(|| i64::try_from(since_s * 1_000).unwrap_or(i64::MAX))
}

/// The history that is to be kept, if any; the store begins with what it holds.
fn archive(settings: &History, store: &Store) -> anyhow::Result<(Option<Archive>, Begun)> {
    if settings.dir.is_empty() {
        return Ok((None, Begun::default()));
    }
    let every = Duration::from_secs(u64::from(settings.every_s));
    let (archive, state, begun) = Archive::open(&settings.dir, every, settings.keeping())?;
    tracing::info!(place = settings.dir, batch = state.number, "goes on after the history");
    store.begin(state);
    Ok((Some(archive), begun))
}

fn follows(
    config: Config,
    log: Log,
    since_ms: Option<i64>,
    begun: Option<Done>,
    (store, followed, health): (Arc<Store>, Arc<Followed>, Arc<Health>),
    stop: Arc<AtomicBool>,
) -> anyhow::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(format!("follow-{}", log.name()));
    Ok(thread.spawn(move || {
        let (config, store, followed, health, stop) = (&config, &*store, &*followed, &health, &*stop);
        Follower { log, config, store, followed, health, stop, since_ms, begun }.run();
    })?)
}

/// The socket for PostgreSQL clients, if there is to be one, and who may use it.
fn wire(settings: &Serve, users: Option<Arc<Users>>) -> anyhow::Result<Option<(TcpListener, Access, Option<Tls>)>> {
    if settings.postgres.is_empty() {
        return Ok(None);
    }
    let has_tls = !settings.tls_cert.as_os_str().is_empty();
    let tls = has_tls.then(|| Tls::read(&settings.tls_cert, &settings.tls_key)).transpose()?;
    let socket = TcpListener::bind(&settings.postgres)
        .with_context(|| format!("serve.postgres: cannot listen on {}", settings.postgres))?;
    let address = socket.local_addr()?;
    let is_near = address.ip().is_loopback();
    anyhow::ensure!(
        is_near || (tls.is_some() && users.is_some()),
        "serve.postgres: {address} can be reached from other machines: that needs serve.users, serve.tls_cert and serve.tls_key"
    );
    anyhow::ensure!(
        tls.is_some() || settings.plaintext,
        "serve.postgres needs serve.tls_cert and serve.tls_key; on a loopback address also serve.plaintext = true"
    );
    anyhow::ensure!(
        is_near || !settings.plaintext,
        "serve.plaintext is only for a loopback address, not for {address}"
    );
    socket.set_nonblocking(true)?;
    Ok(Some((socket, Access { users, plaintext: settings.plaintext }, tls)))
}

fn answers(
    listener: TcpListener,
    door: Door,
    wire: Option<(TcpListener, Listener)>,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<JoinHandle<()>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("answer").enable_all().build()?;
    let thread = std::thread::Builder::new().name("serve".into());
    Ok(thread.spawn(move || {
        let served = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let asked = async |stop: Arc<AtomicBool>| {
                while !stop.load(Ordering::Acquire) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            if let Some((socket, listener)) = wire {
                tokio::spawn(listener.run(tokio::net::TcpListener::from_std(socket)?));
            }
            // A client that does not go on must not hold up the end.
            let ends = async {
                asked(stop.clone()).await;
                tokio::time::sleep(END).await;
                Ok(())
            };
            tokio::select! {
                served = axum::serve(listener, router(door)).with_graceful_shutdown(asked(stop.clone())) => served,
                ended = ends => ended,
            }
        });
        if let Err(error) = served {
            tracing::error!(%error, "no statement is answered any more");
        }
        runtime.shutdown_background();
    })?)
}
