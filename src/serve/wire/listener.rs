//! The socket for PostgreSQL clients: who may connect, how many, and over TLS or not.

use crate::serve::query::Desk;
use crate::serve::wire::connection::{Connection, Extended};
use crate::serve::wire::login::{Access, Login, refused_login};
use anyhow::Context;
use pgwire::api::auth::StartupHandler;
use pgwire::api::cancel::{CancelHandler, DefaultCancelHandler};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::{ClientInfo, ConnectionManager, ErrorHandler, PgWireServerHandlers};
use pgwire::error::{ErrorInfo, PgWireError};
use pgwire::tokio::{TlsAcceptor, process_socket};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_certificate::CapturedX509Certificate;

/// A certificate and its key, read and found to fit.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    pem: Arc<Vec<u8>>,
}

impl Tls {
    /// Reads PEM files.
    ///
    /// # Errors
    /// When one cannot be read, or they do not belong together: a door without TLS is not opened in its place.
    pub fn read(certificate_path: &Path, key: &Path) -> anyhow::Result<Tls> {
        let pem = std::fs::read(certificate_path);
        let pem = pem.with_context(|| format!("serve.tls_cert: {}", certificate_path.display()))?;
        let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
        let chain = chain.with_context(|| format!("serve.tls_cert: {} is no PEM file", certificate_path.display()))?;
        anyhow::ensure!(!chain.is_empty(), "serve.tls_cert: {} holds no certificate", certificate_path.display());
        let not_over = |pem: &[u8]| -> anyhow::Result<()> {
            for certificate in CapturedX509Certificate::from_pem_multiple(pem)? {
                let end = certificate.validity_not_after();
                let is_over = SystemTime::from(end) < SystemTime::now();
                anyhow::ensure!(!is_over, "serve.tls_cert: {} is over since {end}", certificate_path.display());
            }
            Ok(())
        };
        not_over(&pem)?;
        let key_of = || format!("serve.tls_key: {} holds no private key", key.display());
        let private = PrivateKeyDer::from_pem_file(key).with_context(key_of)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .context("serve.tls_cert and serve.tls_key do not belong together")?;
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), pem: Arc::new(pem) })
    }
}

/// The open door.
pub struct Listener {
    /// Answers statements.
    pub desk: Arc<Desk>,
    /// Who may come in.
    pub access: Access,
    /// With TLS?
    pub tls: Option<Tls>,
    /// Most connections.
    pub connections_max: usize,
}

impl Listener {
    /// Takes connections until it is dropped.
    pub async fn run(self, socket: TcpListener) {
        let places = Arc::new(Semaphore::new(self.connections_max));
        let manager = Arc::new(ConnectionManager::new());
        let listener = Arc::new(self);
        loop {
            let stream = match socket.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Such as too many open files: it passes when others go.
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(place) = places.clone().try_acquire_owned() else {
                tracing::warn!(most = listener.connections_max, "no place for one more connection");
                continue;
            };
            let (listener, manager) = (listener.clone(), manager.clone());
            tokio::spawn(async move {
                listener.connected(stream, manager).await;
                drop(place);
            });
        }
    }

    async fn connected(&self, stream: TcpStream, manager: Arc<ConnectionManager>) {
        let connection = Arc::new(Connection::new(self.desk.clone()));
        let certificate = self.tls.as_ref().map(|tls| tls.pem.as_slice());
        let login = match Login::new(connection.clone(), self.access.clone(), manager.clone(), certificate) {
            Ok(login) => Arc::new(login),
            Err(error) => return tracing::error!(%error, "no client can log in"),
        };
        let extended = Arc::new(Extended::new(connection.clone()));
        let handlers = Handlers { connection, extended, login, cancel: Arc::new(DefaultCancelHandler::new(manager)) };
        if let Err(error) = process_socket(stream, self.tls.as_ref().map(|tls| tls.acceptor.clone()), handlers).await {
            tracing::debug!(%error, "a connection ended");
        }
    }
}

struct Handlers {
    connection: Arc<Connection>,
    extended: Arc<Extended>,
    login: Arc<Login>,
    cancel: Arc<DefaultCancelHandler>,
}

impl PgWireServerHandlers for Handlers {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.connection.clone()
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        self.extended.clone()
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        self.login.clone()
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        self.cancel.clone()
    }

    fn error_handler(&self) -> Arc<impl ErrorHandler> {
        Arc::new(Errors)
    }
}

/// Tells a client that may not come in no more than that.
struct Errors;

impl ErrorHandler for Errors {
    fn on_error<C: ClientInfo>(&self, client: &C, error: &mut PgWireError) {
        if let Some(refused) = refused_login(error) {
            tracing::warn!(address = %client.socket_addr(), %error, "a login failed");
            let info = ErrorInfo::new("FATAL".into(), refused.state.into(), refused.message);
            *error = PgWireError::UserError(Box::new(info));
        }
    }
}
