//! One connection: what its client says, in the order in which it says it.

use crate::rights::audit::Outcome;
use crate::rights::grant::Person;
use crate::serve::gate::Refused;
use crate::serve::query::{Answer, Ask, Desk, Words};
use crate::serve::wire::answer;
use crate::serve::wire::cursors::Cursors;
use crate::serve::wire::parameters;
use crate::serve::wire::settings::{self, Settings};
use crate::serve::wire::statement::{Asked, Own, statements};
use arrow::datatypes::{DataType, SchemaRef};
use arrow_pg::datatypes::df::deserialize_parameters_with_server_types;
use arrow_pg::datatypes::into_pg_type;
use async_trait::async_trait;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::sql::sqlparser::ast::Statement;
use futures::{Sink, SinkExt};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{FieldInfo, Response, Tag};
use pgwire::api::stmt::{QueryParser, StoredStatement};
use pgwire::api::store::{Entry, MemPortalStore, PortalStore};
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Parse, ParseComplete, TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::TransactionStatus;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

/// Most statements that a client prepares under names, and most portals.
const NAMES_MAX: usize = 500;

/// A connection whose client may or may not have said who it is.
pub struct Connection {
    desk: Arc<Desk>,
    own: Mutex<Remembered>,
}

/// What a client has set.
#[derive(Debug, Default)]
struct Remembered {
    /// Who asks; nothing is answered before it is known.
    person: Option<Person>,
    settings: Settings,
    cursors: Cursors,
    statements: BTreeSet<String>,
    portals: BTreeSet<String>,
}

/// A statement with the types that its client must know.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    asked: Option<Asked>,
    columns: Option<SchemaRef>,
    parameters: Vec<Option<DataType>>,
}

impl Connection {
    /// A new one, of nobody yet.
    pub fn new(desk: Arc<Desk>) -> Connection {
        Connection { desk, own: Mutex::default() }
    }

    /// Somebody has logged in. What his client said of itself when it began is taken as settings; what is none of ours is
    /// left alone.
    ///
    /// # Errors
    /// When it names a purpose that is not his.
    pub fn begin(&self, person: Person, said: &HashMap<String, String>) -> Result<(), Refused> {
        self.own().person = Some(person);
        for (name, value) in said {
            let _ = self.own().settings.set(name, Some(value.clone()));
        }
        for (name, value) in said.get("options").into_iter().flat_map(|options| settings::of_options(options)) {
            self.set(&name, Some(value))?;
        }
        Ok(())
    }

    /// Sets one. Purpose and case come into force when both are named, and stay.
    fn set(&self, name: &str, value: Option<String>) -> Result<(), Refused> {
        let mut own = self.own();
        let fixed = own.person.as_ref().is_some_and(|person| person.purpose.is_some()) && settings::is_purpose(name);
        if fixed && own.settings.show(name)?.1 != value.clone().unwrap_or_default() {
            return Err(Refused {
                state: "42501",
                message: "a session has one purpose and one case: open another one".into(),
            });
        }
        own.settings.set(name, value)?;
        let (purpose, case) = (own.settings.show(settings::PURPOSE)?.1, own.settings.show(settings::CASE)?.1);
        if let Some(person) = own.person.as_mut().filter(|person| person.is_known() && person.purpose.is_none())
            && !purpose.is_empty()
            && !case.is_empty()
        {
            let named = person.name_purpose(&purpose, &case);
            return named.map_err(|message| Refused { state: "42501", message });
        }
        Ok(())
    }

    fn own(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error on the way in does not open the door.
    fn known(&self) -> Result<Person, Refused> {
        let nobody = || Refused { state: "28000", message: "nobody has logged in on this connection".into() };
        self.own().person.clone().ok_or_else(nobody)
    }

    async fn parsed(&self, text: &str) -> Result<Vec<Asked>, Refused> {
        let (person, of) = (self.known()?, text.to_owned());
        let parsed = self.desk.work(None, async move { statements(&of) }).await;
        if let Err(refused) = &parsed {
            self.desk.write_down(&person, text, Outcome::Refused(refused.state))?;
        }
        parsed
    }

    async fn rows(&self, statement: Box<Statement>, text: &str) -> Result<Answer, Refused> {
        self.desk.ask(self.asked(statement, text)?).await
    }

    /// A cursor is also a portal of its name, which clients describe; what is deallocated makes room for other names.
    fn note(&self, effect: Effect, store: &impl PortalStore<Statement = Prepared>) {
        match effect {
            Effect::Nothing => {}
            Effect::Opened(name) => {
                let mut prepared = Prepared { columns: self.own().cursors.schema(&name), ..Prepared::default() };
                prepared.asked = Some(Asked::Own(Own::Fetch(name.clone(), None)));
                let mut portal = Portal::default();
                portal.statement = Arc::new(StoredStatement::new(name.clone(), prepared, Vec::new()));
                portal.name = name;
                store.put_portal(Arc::new(portal));
            }
            Effect::Closed(name) => store.rm_portal(&name),
            Effect::Deallocated(Some(name)) => {
                store.rm_statement(&name);
                self.own().statements.remove(&name);
            }
            Effect::Deallocated(None) => {
                std::mem::take(&mut self.own().statements).iter().for_each(|name| store.rm_statement(name));
            }
        }
    }

    fn asked(&self, statement: Box<Statement>, text: &str) -> Result<Ask, Refused> {
        let time = self.own().settings.time();
        // With the values in the places of the parameters, where there are some.
        let text = if text.is_empty() { statement.to_string() } else { text.to_owned() };
        Ok(Ask { person: self.known()?, text, words: Words::Postgres(statement), time })
    }

    async fn respond(
        &self,
        asked: Asked,
        status: TransactionStatus,
        format: &Format,
        text: &str,
    ) -> Result<Response, PgWireError> {
        self.known().map_err(|e| answer::error(&e))?;
        let ends = matches!(asked, Asked::Own(Own::Commit | Own::Rollback { .. }));
        if status == TransactionStatus::Error && !ends {
            let message = "the transaction failed before: end it with ROLLBACK".into();
            return Err(answer::error(&Refused { state: "25P02", message }));
        }
        match asked {
            Asked::Rows(statement) => {
                let rows = self.rows(statement, text).await.map_err(|e| answer::error_in(&e, text))?;
                Ok(Response::Query(answer::rows(rows, format)?))
            }
            Asked::Copy(statement, form) => {
                let rows = self.rows(statement, text).await.map_err(|e| answer::error_in(&e, text))?;
                Ok(Response::CopyOut(answer::copy(&rows, &form, self.desk.answer_bytes())?))
            }
            Asked::Own(own) => self.own_response(own, format).await,
        }
    }

    async fn own_response(&self, own: Own, format: &Format) -> Result<Response, PgWireError> {
        let refused = |e: Refused| answer::error(&e);
        let done = |tag: &str| Ok(Response::Execution(Tag::new(tag)));
        match own {
            Own::Set(name, value) => {
                self.set(&name, value).map_err(refused)?;
                done("SET")
            }
            Own::ResetAll => {
                self.own().settings.reset();
                done("RESET")
            }
            Own::Show(name) => {
                let (name, value) = self.own().settings.show(&name).map_err(refused)?;
                Ok(Response::Query(answer::one_text(name, &value)?))
            }
            Own::Begin => Ok(Response::TransactionStart(Tag::new("BEGIN"))),
            Own::Commit | Own::Rollback { to_savepoint: false } => {
                self.own().cursors.end_transaction();
                let tag = if own == Own::Commit { "COMMIT" } else { "ROLLBACK" };
                Ok(Response::TransactionEnd(Tag::new(tag)))
            }
            // Nothing was written, so that nothing is to be undone but the error.
            Own::Rollback { to_savepoint: true } => Ok(Response::TransactionStart(Tag::new("ROLLBACK"))),
            Own::Savepoint(tag) => done(tag),
            Own::Discard => {
                let mut own = self.own();
                own.settings.reset();
                own.cursors.close(None).map_err(refused)?;
                done("DISCARD ALL")
            }
            Own::Deallocate(_) => done("DEALLOCATE"),
            Own::Declare { name, query, hold } => {
                let rows = self.rows(query, "").await.map_err(refused)?;
                self.own().cursors.declare(name, rows, hold).map_err(refused)?;
                done("DECLARE CURSOR")
            }
            Own::Fetch(name, count) => {
                let rows = self.own().cursors.fetch(&name, count).map_err(refused)?;
                let mut rows = answer::rows(rows, format)?;
                rows.set_command_tag("FETCH");
                Ok(Response::Query(rows))
            }
            Own::Close(name) => {
                self.own().cursors.close(name.as_deref()).map_err(refused)?;
                done("CLOSE CURSOR")
            }
        }
    }

    async fn prepared(&self, text: &str) -> Result<Prepared, Refused> {
        self.known()?;
        let mut asked = self.parsed(text).await?;
        if asked.len() > 1 {
            return Err(Refused { state: "42601", message: "one statement in a prepared one".into() });
        }
        let Some(mut asked) = asked.pop() else {
            return Ok(Prepared { asked: None, columns: None, parameters: Vec::new() });
        };
        let text_column = |name: &str| {
            let field = arrow::datatypes::Field::new(name, DataType::Utf8, false);
            Some(Arc::new(arrow::datatypes::Schema::new(vec![field])))
        };
        let (columns, parameters) = match &mut asked {
            Asked::Rows(statement) => {
                let (columns, parameters) = self.shape(statement).await?;
                (Some(columns), parameters)
            }
            Asked::Copy(statement, _) => (None, self.shape(statement).await?.1),
            Asked::Own(Own::Show(name)) => (text_column(self.own().settings.show(name)?.0), Vec::new()),
            Asked::Own(Own::Fetch(name, _)) => (self.own().cursors.schema(name), Vec::new()),
            Asked::Own(Own::Declare { query: statement, .. }) => (None, self.shape(statement).await?.1),
            Asked::Own(_) => (None, Vec::new()),
        };
        Ok(Prepared { asked: Some(asked), columns, parameters })
    }

    async fn shape(&self, statement: &mut Box<Statement>) -> Result<(SchemaRef, Vec<Option<DataType>>), Refused> {
        let count = parameters::count(statement)?;
        let (columns, mut types) = self.desk.shape(self.asked(statement.clone(), "")?).await?;
        Ok((columns, (1..=count).map(|number| types.remove(&format!("${number}")).flatten()).collect()))
    }
}

/// What a statement does to what a client has under names.
enum Effect {
    Opened(String),
    Closed(String),
    Deallocated(Option<String>),
    Nothing,
}

impl Effect {
    fn of(asked: &Asked) -> Effect {
        match asked {
            Asked::Own(Own::Declare { name, .. }) => Effect::Opened(name.clone()),
            Asked::Own(Own::Close(Some(name))) => Effect::Closed(name.clone()),
            Asked::Own(Own::Deallocate(name)) => Effect::Deallocated(name.clone()),
            Asked::Own(Own::Discard) => Effect::Deallocated(None),
            _ => Effect::Nothing,
        }
    }
}

fn wire_type(ty: Option<&DataType>) -> PgWireResult<Type> {
    ty.map_or(Ok(Type::UNKNOWN), into_pg_type)
}

fn values_of(portal: &Portal<Prepared>) -> PgWireResult<Vec<ScalarValue>> {
    let types = &portal.statement.statement.parameters;
    let wire = types.iter().map(|ty| wire_type(ty.as_ref())).collect::<PgWireResult<Vec<Type>>>()?;
    let (types, wire): (Vec<_>, Vec<_>) = (types.iter().map(Option::as_ref).collect(), wire.iter().map(Some).collect());
    match deserialize_parameters_with_server_types(portal, &types, &wire)? {
        ParamValues::List(values) => Ok(values.into_iter().map(|value| value.value).collect()),
        ParamValues::Map(_) => Ok(Vec::new()),
    }
}

#[async_trait]
impl SimpleQueryHandler for Connection {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        self.known().map_err(|e| answer::error(&e))?;
        let mut responses = Vec::new();
        let mut status = client.transaction_status();
        for mut asked in self.parsed(query).await.map_err(|e| answer::error_in(&e, query))? {
            if let Some(statement) = asked.statement() {
                parameters::none_left(statement).map_err(|e| answer::error(&e))?;
            }
            let effect = Effect::of(&asked);
            let response = self.respond(asked, status, &Format::UnifiedText, query).await?;
            if let Some(store) = client.portal_store().as_any().downcast_ref::<MemPortalStore<Prepared>>() {
                self.note(effect, store);
            }
            status = match response {
                Response::TransactionStart(_) => TransactionStatus::Transaction,
                Response::TransactionEnd(_) => TransactionStatus::Idle,
                _ => status,
            };
            responses.push(response);
        }
        if responses.is_empty() {
            responses.push(Response::EmptyQuery);
        }
        Ok(responses)
    }
}

/// Prepares statements of a connection.
pub struct Preparer(pub Arc<Connection>);

#[async_trait]
impl QueryParser for Preparer {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, _: &C, sql: &str, _: &[Option<Type>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let prepared = self.0.prepared(sql).await.map_err(|e| answer::error_in(&e, sql))?;
        Ok(prepared.asked.is_some().then_some(prepared))
    }

    fn get_parameter_types(&self, prepared: &Prepared) -> PgWireResult<Vec<Type>> {
        prepared.parameters.iter().map(|ty| wire_type(ty.as_ref())).collect()
    }

    fn get_result_schema(&self, prepared: &Prepared, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        let Some(columns) = &prepared.columns else { return Ok(Vec::new()) };
        Ok(answer::columns(columns, format.unwrap_or(&Format::UnifiedText))?.to_vec())
    }
}

/// The extended protocol of a connection.
pub struct Extended {
    connection: Arc<Connection>,
    preparer: Arc<Preparer>,
}

impl Extended {
    /// Over a connection.
    pub fn new(connection: Arc<Connection>) -> Extended {
        Extended { preparer: Arc::new(Preparer(connection.clone())), connection }
    }
}

/// Takes a name, while there are few.
fn remember(names: &mut BTreeSet<String>, name: Option<&String>) -> PgWireResult<()> {
    let Some(name) = name.filter(|name| !name.is_empty() && !names.contains(*name)) else { return Ok(()) };
    if names.len() >= NAMES_MAX {
        let message = format!("at most {NAMES_MAX} under names: close some");
        return Err(answer::error(&Refused { state: "53400", message }));
    }
    names.insert(name.clone());
    Ok(())
}

#[async_trait]
impl ExtendedQueryHandler for Extended {
    type Statement = Prepared;
    type QueryParser = Preparer;

    fn query_parser(&self) -> Arc<Preparer> {
        self.preparer.clone()
    }

    async fn on_bind<C>(&self, client: &mut C, message: Bind) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statement = message.statement_name.as_deref().unwrap_or(DEFAULT_NAME);
        match client.portal_store().get_statement(statement) {
            Some(Entry::Value(statement)) => {
                let (given, wanted) = (message.parameters.len(), statement.statement.parameters.len());
                if given != wanted {
                    let message = format!("{given} values for {wanted} parameters");
                    return Err(answer::error(&Refused { state: "08P01", message }));
                }
                remember(&mut self.connection.own().portals, message.portal_name.as_ref())?;
                client.portal_store().put_portal(Arc::new(Portal::try_new(&message, statement)?));
            }
            Some(Entry::Empty) => {
                remember(&mut self.connection.own().portals, message.portal_name.as_ref())?;
                client.portal_store().put_empty_portal(message.portal_name.as_deref().unwrap_or(DEFAULT_NAME));
            }
            None => return Err(PgWireError::StatementNotFound(statement.to_owned())),
        }
        client.send(PgWireBackendMessage::BindComplete(BindComplete::new())).await?;
        Ok(())
    }

    async fn on_close<C>(&self, client: &mut C, message: Close) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        if message.target_type == TARGET_TYPE_BYTE_STATEMENT {
            client.portal_store().rm_statement(name);
            self.connection.own().statements.remove(name);
        } else {
            client.portal_store().rm_portal(name);
            self.connection.own().portals.remove(name);
        }
        client.send(PgWireBackendMessage::CloseComplete(CloseComplete::new())).await?;
        Ok(())
    }

    async fn on_parse<C>(&self, client: &mut C, message: Parse) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        remember(&mut self.connection.own().statements, message.name.as_ref())?;
        match StoredStatement::parse(client, &message, self.query_parser()).await? {
            Some(statement) => client.portal_store().put_statement(Arc::new(statement)),
            None => client.portal_store().put_empty_statement(message.name.as_deref().unwrap_or(DEFAULT_NAME)),
        }
        client.send(PgWireBackendMessage::ParseComplete(ParseComplete::new())).await?;
        Ok(())
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Prepared>, _max_rows: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let Some(mut asked) = portal.statement.statement.asked.clone() else { return Ok(Response::EmptyQuery) };
        if let Some(statement) = asked.statement() {
            parameters::bind(statement, &values_of(portal)?).map_err(|e| answer::error(&e))?;
        }
        let (format, effect) = (&portal.result_column_format, Effect::of(&asked));
        let response = self.connection.respond(asked, client.transaction_status(), format, "").await?;
        self.connection.note(effect, client.portal_store());
        Ok(response)
    }
}
