//! Who asks. With a file of users: SCRAM-SHA-256 (RFC 5802, RFC 7677), over TLS, or without it where that was asked for and
//! only this machine can connect. Without a file, which only this machine's own address allows: whoever is on it.

use crate::rights::grant::Person;
use crate::rights::users::{ITERATIONS, Secret, Users};
use crate::serve::gate::Refused;
use crate::serve::pg_catalog::VERSION;
use crate::serve::wire::connection::Connection;
use async_trait::async_trait;
use futures::Sink;
use pgwire::api::auth::sasl::SASLAuthStartupHandler;
use pgwire::api::auth::sasl::scram::ScramAuth;
use pgwire::api::auth::{
    AuthSource, DefaultServerParameterProvider, LoginInfo, Password, ServerParameterProvider, StartupHandler,
    finish_authentication, protocol_negotiation, save_startup_parameters_to_metadata,
};
use pgwire::api::{
    ClientInfo, ConnectionGuard, ConnectionHandle, ConnectionManager, METADATA_USER, PgWireConnectionState,
    PidSecretKeyGenerator, RandomPidSecretKeyGenerator,
};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

/// What the door asks of everyone.
#[derive(Debug, Clone)]
pub struct Access {
    /// Who may come in; `None`: everyone on this machine.
    pub users: Option<Arc<Users>>,
    /// May a client speak without TLS?
    pub plaintext: bool,
}

/// The beginning of one connection.
pub struct Login {
    connection: Arc<Connection>,
    access: Access,
    manager: Arc<ConnectionManager>,
    scram: Option<SASLAuthStartupHandler<Parameters>>,
}

impl Login {
    /// Of this connection. `certificate` (PEM) binds the password to the channel (SCRAM-SHA-256-PLUS).
    ///
    /// # Errors
    /// When the certificate's signature is of a kind that has no binding.
    pub fn new(
        connection: Arc<Connection>,
        access: Access,
        manager: Arc<ConnectionManager>,
        certificate: Option<&[u8]>,
    ) -> PgWireResult<Login> {
        let scram = match &access.users {
            None => None,
            Some(users) => {
                let mut scram = ScramAuth::new(Arc::new(Passwords(users.clone())));
                scram.set_iterations(ITERATIONS.get() as usize);
                if let Some(certificate) = certificate {
                    scram.configure_certificate(certificate)?;
                }
                let handler = SASLAuthStartupHandler::new(Arc::new(Parameters));
                Some(handler.with_scram(scram).with_connection_manager(manager.clone()))
            }
        };
        Ok(Login { connection, access, manager, scram })
    }
}

#[async_trait]
impl StartupHandler for Login {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if !client.is_secure() && !self.access.plaintext {
            return Err(fatal("28000", "only connections with TLS are taken: sslmode=require"));
        }
        match &self.scram {
            Some(scram) => scram.on_startup(client, message).await?,
            None => {
                let PgWireFrontendMessage::Startup(startup) = &message else {
                    return Err(fatal("08P01", "a startup message comes first"));
                };
                protocol_negotiation(client, startup).await?;
                save_startup_parameters_to_metadata(client, startup);
                let (pid, secret) = RandomPidSecretKeyGenerator::default().generate(client);
                client.set_pid_and_secret_key(pid, secret.clone());
                let (handle, guard) = self.manager.register(pid, secret);
                client.session_extensions().insert::<Arc<ConnectionHandle>>(handle);
                client.session_extensions().insert::<ConnectionGuard>(guard);
                finish_authentication(client, &Parameters).await?;
            }
        }
        if matches!(client.state(), PgWireConnectionState::ReadyForQuery) {
            let name = client.metadata().get(METADATA_USER).cloned().unwrap_or_default();
            tracing::info!(user = name, address = %client.socket_addr(), tls = client.is_secure(), "a client logged in");
            let person = match &self.access.users {
                None => Person::on_this_machine(&name),
                Some(users) => users.person(&name).ok_or_else(|| fatal("28000", "this user is gone"))?,
            };
            self.connection.begin(person, client.metadata()).map_err(|e| fatal(e.state, &e.message))?;
        }
        Ok(())
    }
}

fn fatal(code: &str, message: &str) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("FATAL".into(), code.into(), message.into())))
}

/// Salted passwords of the file. A name that is not in it gets a salt too, always the same one, and no password fits.
#[derive(Debug)]
struct Passwords(Arc<Users>);

#[async_trait]
impl AuthSource for Passwords {
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        let Secret { salt, salted } = self.0.secret(login.user().unwrap_or_default());
        Ok(Password::new(Some(salt), salted))
    }
}

/// What a client is told after it has logged in.
#[derive(Debug)]
pub struct Parameters;

impl ServerParameterProvider for Parameters {
    fn server_parameters<C: ClientInfo>(&self, client: &C) -> Option<HashMap<String, String>> {
        let mut told = DefaultServerParameterProvider::default();
        told.server_version = VERSION.to_owned();
        told.is_superuser = false;
        told.in_hot_standby = true;
        told.default_transaction_read_only = true;
        told.date_style = "ISO, MDY".to_owned();
        told.time_zone = "UTC".to_owned();
        told.server_parameters(client)
    }
}

/// An error on the way in, as it is told; the reason stays in the log.
pub fn refused_login(error: &PgWireError) -> Option<Refused> {
    match error {
        PgWireError::InvalidPassword(_) | PgWireError::InvalidScramMessage(_) => {
            Some(Refused { state: "28P01", message: "the user or the password is wrong".into() })
        }
        _ => None,
    }
}
