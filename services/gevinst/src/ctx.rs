//! What a call carries, and the two things it can do: read, and run a command.
//!
//! A [`Ctx`] exists only for an authenticated caller, inside an organisation of theirs, with a message that kept its
//! rules. Time, ids and randomness come from it and from nowhere else, so that a test can hold the clock.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use aws_lc_rs::digest;
use prost::Message;
use prost_protovalidate::Validator;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, ExecResult, PaginatorTrait, QueryResult, Select, Statement,
};
use time::OffsetDateTime;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, field::Empty, info_span};
use uuid::{ContextV7, Uuid};

use crate::{
    audit::{self, Entry, Object},
    auth::{
        Action, Allowed, Authority, Caller, CallerKind, Resource, Role,
        authority::Asker,
        policy::{Deciding, Policies, Question},
    },
    db::{Begun, Claim, Db, Scoped, Tx, postgres},
    error::{Error, Language, Result},
    ids::{Id, Kind, OrganisationId},
    texts,
};

/// The time. A test moves it; nothing else does.
#[derive(Clone, Default)]
pub struct Clock {
    offset_seconds: Arc<AtomicI64>,
}

impl Clock {
    /// Now, in UTC, to the microsecond: what PostgreSQL keeps, so that an answer equals what a later read gives.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
    pub fn now(&self) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc() + time::Duration::seconds(self.offset_seconds.load(Ordering::Relaxed));
        now.replace_nanosecond(now.microsecond() * 1000).unwrap_or(now)
    }

    /// Moves the clock, forth or back.
    pub fn advance(&self, by: time::Duration) {
        self.offset_seconds.fetch_add(by.whole_seconds(), Ordering::Relaxed);
    }
}

/// Makes UUIDv7s that rise within the process, also inside one millisecond.
#[derive(Default)]
pub struct Ids(Mutex<ContextV7>);

impl Ids {
    /// The next id.
    #[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
    pub fn next(&self, now: OffsetDateTime) -> Uuid {
        let context = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(&*context, seconds, now.nanosecond()))
    }
}

/// What all calls share.
pub struct App {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// The ids.
    pub ids: Ids,
    /// Who may do what.
    pub policies: Policies,
    /// Commands under way: a shutdown waits for them, also when their callers have left.
    pub commands: TaskTracker,
    validator: Validator,
}

impl App {
    /// Puts the parts together.
    pub fn new(db: Db, clock: Clock, policies: Policies) -> Self {
        let validator = Validator::new();
        Self { db, clock, ids: Ids::default(), policies, commands: TaskTracker::new(), validator }
    }

    /// Compiles the rules of every request message, so that the first caller does not wait for it.
    pub fn warm_up(&self) {
        for service in gevinst_proto::DESCRIPTOR_POOL.services() {
            for method in service.methods() {
                // An empty message breaks rules; that they are now compiled is all that matters.
                let _ = self.validator.validate(&DynamicMessage::new(method.input()));
            }
        }
    }

    /// Holds a message to the rules in its proto, and keeps personal numbers out of it.
    fn check(&self, message: &DynamicMessage) -> Result<()> {
        match self.validator.validate(message) {
            Ok(()) => {}
            Err(prost_protovalidate::Error::Validation(broken)) => {
                let fields = broken.violations().iter();
                let fields = fields.map(|violation| {
                    let text = if violation.message().is_empty() { violation.rule_id() } else { violation.message() };
                    (violation.field_path(), text.to_owned())
                });
                return Err(Error::FieldInvalid(fields.collect()));
            }
            Err(error) => return Err(Error::Internal(error.to_string())),
        }
        texts::check(message)
    }
}

/// What the layers know of a call before it is decoded.
#[derive(Debug)]
pub struct Call {
    /// The caller's `x-request-id`, or one made here.
    pub request_id: String,
    /// The trace that shows the call, 32 hex digits.
    pub trace_id: String,
    /// What errors are written in.
    pub language: Language,
    /// `package.Service/Method`.
    pub method: String,
    /// The caller's `idempotency-key`, as sent.
    pub idempotency_key: Option<Vec<u8>>,
    /// Whether a refusal of it stands in an organisation's log.
    pub recorded: AtomicBool,
}

/// A place among the calls that the service takes at once; given back when the last holder is gone.
pub type Place = Arc<OwnedSemaphorePermit>;

/// One call of one caller.
#[derive(Clone)]
pub struct Ctx {
    app: Arc<App>,
    call: Arc<Call>,
    caller: Arc<Caller>,
    organisation: Option<OrganisationId>,
    now: OffsetDateTime,
    validate_only: bool,
    acting_for: Option<String>,
    idempotency_key: Option<String>,
    request_sha256: Vec<u8>,
    _place: Option<Place>,
}

impl Ctx {
    /// Lets a decoded message in: its rules hold, and its organisation is the caller's. Another's is NOT_FOUND (I25).
    pub fn new<M: Message + ReflectMessage>(
        app: Arc<App>,
        call: Arc<Call>,
        caller: Arc<Caller>,
        place: Option<Place>,
        message: &M,
    ) -> Result<Self> {
        let dynamic = message.transcode_to_dynamic();
        app.check(&dynamic)?;
        let organisation = match dynamic.get_field_by_name("organisation").as_deref() {
            Some(Value::String(id)) => Some(OrganisationId::parse(id)?),
            _ => None,
        };
        if let Some(organisation) = organisation
            && caller.roles_in(organisation).is_none()
        {
            return Err(organisation.not_found());
        }
        let validate_only = matches!(dynamic.get_field_by_name("validate_only").as_deref(), Some(Value::Bool(true)));
        let acting_for = match dynamic.get_field_by_name("acting_for").as_deref() {
            Some(Value::String(other)) if !other.is_empty() => Some(other.clone()),
            _ => None,
        };
        if acting_for.as_deref() == Some(caller.subject()) {
            return Err(Error::invalid("acting_for", "is yourself: leave it out"));
        }
        let idempotency_key = match &call.idempotency_key {
            None => None,
            Some(key) => Some(idempotency_key(key)?),
        };
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(call.method.as_bytes());
        hash.update(&[0]);
        hash.update(&message.encode_to_vec());
        Ok(Self {
            now: app.clock.now(),
            organisation,
            validate_only,
            acting_for,
            idempotency_key,
            request_sha256: hash.finish().as_ref().to_vec(),
            _place: place,
            app,
            call,
            caller,
        })
    }

    /// What Gevinst does by itself in an organisation, nobody having called: in code only (`clock.rs`).
    pub(crate) fn system(app: Arc<App>, organisation: OrganisationId, method: &str, trace_id: String) -> Self {
        let now = app.clock.now();
        let call = Call {
            request_id: app.ids.next(now).to_string(),
            trace_id,
            language: Language::Danish,
            method: method.to_owned(),
            idempotency_key: None,
            recorded: AtomicBool::new(false),
        };
        Self {
            now,
            organisation: Some(organisation),
            validate_only: false,
            acting_for: None,
            idempotency_key: None,
            request_sha256: Vec::new(),
            _place: None,
            app,
            call: Arc::new(call),
            caller: Arc::new(Caller::system()),
        }
    }

    /// The time of the call; the same throughout it.
    pub fn now(&self) -> OffsetDateTime {
        self.now
    }

    /// What errors and messages are written in.
    pub fn language(&self) -> Language {
        self.call.language
    }

    /// A new id.
    pub fn new_id<K: Kind>(&self) -> Id<K> {
        Id::new(self.app.ids.next(self.now))
    }

    /// What the call is known by, in answers, logs and audit entries.
    pub fn request_id(&self) -> &str {
        &self.call.request_id
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The organisation that the call is about.
    pub fn organisation(&self) -> Result<OrganisationId> {
        self.organisation.ok_or_else(|| Error::Internal(format!("{} has no organisation", self.call.method)))
    }

    /// Whom the caller acts for, under a delegation.
    pub fn acting_for(&self) -> Option<&str> {
        self.acting_for.as_deref()
    }

    /// What the caller sees of the organisation's rows, to read: the only way to them. [`Reading::found`] and
    /// [`Reading::listed`] then decide.
    pub fn read(&self, action: Action) -> Result<Reading<'_>> {
        let scoped = self.app.db.scoped(self.asker()?);
        Ok(Reading { ctx: self, action, scoped })
    }

    fn asker(&self) -> Result<Asker> {
        Ok(Asker::new(&self.caller, self.organisation()?, self.now))
    }

    /// The organisations that the caller belongs to, as rows: the one read that needs no organisation to begin with.
    pub async fn own_organisations(&self) -> Result<Vec<QueryResult>> {
        self.app.db.organisations(&self.caller).await
    }

    /// Runs a command: one transaction, organisation-scoped, begun and committed here and nowhere else, which cannot be
    /// committed without its audit entry (I24) nor, where a key was given, without its idempotency record.
    ///
    /// It runs in a task of its own: a caller who gives up or hangs up cuts no commit in half. What it did is then found
    /// by the same idempotency key.
    pub async fn command<T, F, Fut>(self, action: Action, object: Object, run: F) -> Result<T>
    where
        T: Message + Default + 'static,
        F: FnOnce(Command) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Done<T>>> + Send + 'static,
    {
        let span = info_span!(
            "command",
            otel.name = action.name(),
            audit.action = action.name(),
            audit.actor = self.caller.subject(),
            audit.actor_kind = <&str>::from(self.caller.kind()),
            audit.acting_for = self.acting_for,
            audit.policy = Empty,
            audit.organisation = self.organisation.map(|id| id.to_string()),
            audit.object.type = Empty,
            audit.object.id = Empty,
            audit.outcome = Empty,
            audit.reason = Empty,
        );
        let organisation = self.organisation;
        let commands = self.app.commands.clone();
        let task = commands.spawn(self.attempt(action, object, run).instrument(span));
        let ended = task.await;
        let ended =
            ended.unwrap_or_else(|failure| Err(Error::Internal(format!("command {}: {failure}", action.name()))));
        match (ended, organisation) {
            // The issuer knows an organisation that has not been founded here.
            (Err(Error::OrganisationUnknown), Some(organisation)) => Err(organisation.not_found()),
            (ended, _) => ended,
        }
    }

    async fn attempt<T, F, Fut>(self, action: Action, object: Object, run: F) -> Result<T>
    where
        T: Message + Default,
        F: FnOnce(Command) -> Fut,
        Fut: Future<Output = Result<Done<T>>>,
    {
        let attempt = self.run(action, object, run).await;
        let (object, outcome) = match &attempt {
            Ok((object, _)) => (*object, "DONE"),
            Err(error) if error.is_refusal() => {
                self.record_refusal(action, object, error).await?;
                (object, "REFUSED")
            }
            Err(_) => (object, "FAILED"),
        };
        let span = Span::current();
        span.record("audit.outcome", outcome);
        span.record("audit.object.type", object.kind());
        if let Some(id) = object.id() {
            span.record("audit.object.id", id.to_string());
        }
        if let Err(error) = &attempt {
            span.record("audit.reason", error.reason_name());
        }
        attempt.map(|(_, response)| response)
    }

    /// Gives the answer, and what was done to what: to the object named, or to the one created.
    async fn run<T, F, Fut>(&self, action: Action, object: Object, run: F) -> Result<(Object, T)>
    where
        T: Message + Default,
        F: FnOnce(Command) -> Fut,
        Fut: Future<Output = Result<Done<T>>>,
    {
        let organisation = self.organisation()?;
        let key = self.idempotency_key.as_deref().filter(|_| !self.validate_only);
        let actor = self.caller.subject();
        let claim = key.map(|key| Claim { actor, key, request_sha256: &self.request_sha256, now: self.now });
        let (tx, authority, claimed) = self.begin(organisation, claim).await?;
        if authority.denied {
            return Err(Error::TokenRevoked);
        }
        if let (false, Some(key)) = (claimed, key) {
            return Ok((object, self.earlier_answer(&tx, key).await?));
        }
        let done = run(Command { ctx: self.clone(), action, object, authority: authority.clone(), tx }).await?;
        if self.validate_only {
            return Ok((object, done.response));
        }
        let mut entries = done.each.iter().map(|each| self.entry_of(action, object, each));
        // Nothing was done, and nothing refused that stands in the log.
        let Some(entry) = entries.next() else { return Ok((object, done.response)) };
        let (object, rest) = (entry.object, entries.collect::<Vec<_>>());
        let answer = key.map(|key| (key, done.response.encode_to_vec()));
        Span::current().record("audit.policy", entry.policy);
        audit::record_more(&done.tx, &rest).await?;
        // Waiting for others' locks takes time: what was revoked meanwhile counts. Own changes change the version too.
        if !audit::record_as_of(&done.tx, &entry, answer.clone(), authority.version).await? {
            if !self.app.db.still_holds(&done.tx, &self.asker()?, &authority).await? {
                return Err(Error::Conflict(DbErr::Custom("the caller's roles have changed meanwhile".to_owned())));
            }
            audit::record(&done.tx, &entry, answer).await?;
        }
        done.tx.commit().await?;
        Ok((object, done.response))
    }

    /// Begins a transaction. Where the organisation's log last named other policies than this process decides by, these
    /// are named before anything is decided.
    async fn begin(
        &self,
        organisation: OrganisationId,
        claim: Option<Claim<'_>>,
    ) -> Result<(Tx, Arc<Authority>, bool)> {
        let Begun { tx, authority, policies: named, claimed } = self.app.db.begin(&self.asker()?, claim).await?;
        let policies = self.app.policies.sha256();
        if !self.validate_only && named.as_deref() != Some(policies) {
            let id = self.app.ids.next(self.now);
            audit::record_policies(&tx, id, organisation, self.now, named.as_deref(), policies).await?;
        }
        Ok((tx, authority, claimed))
    }

    /// The answer that this key was given before; refused when it was given to another request.
    async fn earlier_answer<T: Message + Default>(&self, tx: &Tx, key: &str) -> Result<T> {
        let sql = "SELECT request_sha256, response FROM idempotency_records \
            WHERE organisation_id = $1 AND actor = $2 AND key = $3";
        let values = [self.organisation()?.uuid().into(), self.caller.subject().into(), key.into()];
        let row = tx.query_one_raw(postgres(sql, values)).await?;
        // Gone since the claim found it: it had expired. The next attempt takes the key.
        let row = row.ok_or_else(|| Error::Conflict(sea_orm::DbErr::Custom("idempotency key expired".to_owned())))?;
        let request: Vec<u8> = row.try_get_by_index(0)?;
        let response: Vec<u8> = row.try_get_by_index(1)?;
        if request != self.request_sha256 {
            return Err(Error::IdempotencyKeyReused);
        }
        T::decode(response.as_slice()).map_err(|error| Error::Internal(format!("stored answer: {error}")))
    }

    /// Records an attempt that was refused, in a transaction of its own: the command's has been rolled back. When that
    /// fails, so does the call: nothing is refused behind the auditor's back.
    async fn record_refusal(&self, action: Action, object: Object, refusal: &Error) -> Result<()> {
        let (tx, _, _) = self.begin(self.organisation()?, None).await?;
        let mut entry = self.entry(action, object, Changes::default());
        entry.refused = Some(refusal.reason_name());
        entry.policy = refusal.policy().unwrap_or_default();
        audit::record(&tx, &entry, None).await?;
        tx.commit().await?;
        self.call.recorded.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// What one of the things that a command did comes to in the log.
    fn entry_of<'a>(&'a self, action: Action, object: Object, each: &'a Each) -> Entry<'a> {
        let mut entry = self.entry(action, each.object.unwrap_or(object), each.changes.clone());
        match &each.outcome {
            Ok(allowed) => entry.policy = allowed.policy(),
            Err(refusal) => {
                entry.refused = Some(refusal.reason_name());
                entry.policy = refusal.policy().unwrap_or_default();
            }
        }
        entry
    }

    /// Holds one of many messages of a call to the rules in its proto.
    pub fn check(&self, message: &impl ReflectMessage) -> Result<()> {
        self.app.check(&message.transcode_to_dynamic())
    }

    /// The same call with more than its first message: what it asks for is all of it, to whoever repeats it.
    pub fn with_more(mut self, more: &[u8]) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&self.request_sha256);
        hash.update(more);
        self.request_sha256 = hash.finish().as_ref().to_vec();
        self
    }

    fn entry(&self, action: Action, object: Object, changes: Changes) -> Entry<'_> {
        Entry {
            id: self.new_id(),
            organisation: self.organisation,
            occurred_at: self.now,
            actor: self.caller.subject(),
            actor_kind: self.caller.kind(),
            acting_for: self.acting_for.as_deref().unwrap_or_default(),
            action,
            object,
            refused: None,
            policy: "",
            changes,
            trace_id: &self.call.trace_id,
            request_id: &self.call.request_id,
        }
    }
}

/// An idempotency key, where it is fit to be one: kept for a week, so it may be no personal number either.
fn idempotency_key(key: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(key).map_err(|_| Error::IdempotencyKeyInvalid)?;
    let fit = (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !texts::has_personal_number(text);
    if fit { Ok(text.to_owned()) } else { Err(Error::IdempotencyKeyInvalid) }
}

/// For each field that a command changed, its value before and after.
#[derive(Clone, Default)]
pub struct Changes(BTreeMap<&'static str, serde_json::Value>);

impl Changes {
    /// A field that had no value before.
    pub fn set(self, field: &'static str, after: impl Into<serde_json::Value>) -> Self {
        self.change(field, serde_json::Value::Null, after)
    }

    /// A field that had one. Left out when nothing changed.
    pub fn change(
        mut self,
        field: &'static str,
        before: impl Into<serde_json::Value>,
        after: impl Into<serde_json::Value>,
    ) -> Self {
        let (before, after) = (before.into(), after.into());
        if before != after {
            self.0.insert(field, serde_json::json!({"before": before, "after": after}));
        }
        self
    }

    /// These, and those.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// As the audit log keeps it.
    pub fn to_json(&self) -> serde_json::Value {
        self.0
            .iter()
            .map(|(field, change)| ((*field).to_owned(), change.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// A command under way: the call, and the transaction to work in.
pub struct Command {
    ctx: Ctx,
    action: Action,
    object: Object,
    authority: Arc<Authority>,
    tx: Tx,
}

impl Command {
    /// The call.
    pub fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    /// The transaction.
    pub fn tx(&self) -> &Tx {
        &self.tx
    }

    /// Whether a role of the caller, one that counts in this call, covers one of these places.
    pub fn holds(&self, role: Role, scopes: &[Uuid]) -> bool {
        self.authority.holds(self.ctx.acting_for(), role, scopes)
    }

    /// Whether the caller may do this command to that.
    pub fn authorize<'r>(&self, resource: impl Into<Resource<'r>>) -> Result<Allowed> {
        self.decide(self.action, &resource.into(), None)
    }

    /// The same of one of many that the command is about.
    pub fn authorize_one<'r>(&self, object: Object, resource: impl Into<Resource<'r>>) -> Result<Allowed> {
        match self.decide(self.action, &resource.into(), None) {
            Err(Error::NotFound { .. }) => Err(object.not_found()),
            decided => decided,
        }
    }

    /// Whether the caller might also have done something else to something else, which this command comes down to.
    pub fn authorize_also<'r>(&self, action: Action, resource: impl Into<Resource<'r>>) -> Result<Allowed> {
        self.decide(action, &resource.into(), None)
    }

    /// The same of a decision at a gate (I04).
    pub fn authorize_deciding(&self, resource: &Resource<'_>, deciding: &Deciding) -> Result<Allowed> {
        self.decide(self.action, resource, Some(deciding))
    }

    fn decide(&self, action: Action, resource: &Resource<'_>, deciding: Option<&Deciding>) -> Result<Allowed> {
        let (authority, acting_for) = (&self.authority, self.ctx.acting_for());
        if let Some(other) = acting_for
            && authority.counting(acting_for).next().is_none()
        {
            return Err(Error::NotADelegate { of: other.to_owned() });
        }
        let question = Question { authority, acting_for, action, resource, deciding };
        let decide = |question: &Question<'_>| self.ctx.app.policies.decide(question);
        let refusal = match decide(&question) {
            Ok(allowed) => return Ok(allowed),
            Err(refusal) => refusal,
        };
        // What the caller does not see is not there, to them. Gevinst itself, which has no roles, knows what it is at.
        match resource.reading().filter(|_| authority.kind != CallerKind::System) {
            Some(action) if decide(&Question { action, acting_for: None, deciding: None, ..question }).is_err() => {
                Err(self.object.not_found())
            }
            _ => Err(refusal),
        }
    }

    /// Ends the command well. Cannot be called without the right to have run it.
    pub fn done<T>(self, allowed: Allowed, changes: Changes, response: T) -> Done<T> {
        Done { tx: self.tx, each: vec![Each { object: None, outcome: Ok(allowed), changes }], response }
    }

    /// Ends a command that created its object.
    pub fn created<T, K: Kind>(self, allowed: Allowed, id: Id<K>, changes: Changes, response: T) -> Done<T> {
        let object = Some(Object::of(id));
        Done { tx: self.tx, each: vec![Each { object, outcome: Ok(allowed), changes }], response }
    }

    /// Ends a command that was about many things, each done by the right to do it, or refused.
    pub fn done_each<T>(self, each: Vec<Each>, response: T) -> Done<T> {
        Done { tx: self.tx, each, response }
    }
}

/// A read under way. It is a connection: entities ask through it, and see what the caller sees.
pub struct Reading<'a> {
    ctx: &'a Ctx,
    action: Action,
    scoped: Scoped<'a>,
}

impl Reading<'_> {
    /// The organisation read from.
    pub fn organisation(&self) -> OrganisationId {
        self.scoped.organisation()
    }

    /// What the caller holds, once something was read.
    pub fn authority(&self) -> Result<Arc<Authority>> {
        // The issuer knows an organisation that has not been founded here.
        self.scoped.authority().cloned().ok_or_else(|| self.organisation().not_found())
    }

    /// The one that was read, if the caller may; or why not. What is not seen is not there (I25), but who has no role
    /// at all is told that.
    pub async fn found<M, K: Kind>(&self, found: Option<M>, id: Id<K>) -> Result<M>
    where
        for<'m> &'m M: Into<Resource<'m>>,
    {
        let authority = self.authority()?;
        let answer = match &found {
            _ if authority.denied => Err(Error::TokenRevoked),
            Some(found) => self.ask(&authority, self.action, &found.into()),
            None => match self.ask(&authority, Action::OrganisationRead, &Resource::Organisation) {
                Ok(_) => return Err(id.not_found()),
                Err(refusal) => Err(refusal),
            },
        };
        self.refused(answer.err()).await?;
        found.ok_or_else(|| id.not_found())
    }

    /// Whether the caller may do this to the organisation as a whole.
    pub async fn allowed(&self) -> Result<()> {
        let authority = self.authority()?;
        let answer = match authority.denied {
            true => Err(Error::TokenRevoked),
            false => self.ask(&authority, self.action, &Resource::Organisation),
        };
        self.refused(answer.err()).await
    }

    /// Whether a list of what the caller sees may be answered: row-level security has filtered it. Who has no role, and
    /// sees nothing, is told so.
    pub async fn listed(&self, is_empty: bool) -> Result<()> {
        let authority = self.authority()?;
        let answer = match authority.denied {
            true => Err(Error::TokenRevoked),
            false if is_empty => self.ask(&authority, Action::OrganisationRead, &Resource::Organisation),
            false => return Ok(()),
        };
        self.refused(answer.err()).await
    }

    /// The same of a list of what belongs to an object: empty, without a page before it, is an answer only for one that
    /// is there (I25).
    pub async fn listed_of<K: Kind, E: EntityTrait>(&self, has_some: bool, id: Id<K>, object: Select<E>) -> Result<()>
    where
        E::Model: Send + Sync,
    {
        let is_there = has_some || object.count(self).await? > 0;
        self.listed(!is_there).await?;
        if is_there { Ok(()) } else { Err(id.not_found()) }
    }

    /// Asks the policies, without consequences.
    pub fn ask(&self, authority: &Authority, action: Action, resource: &Resource<'_>) -> Result<Allowed> {
        let acting_for = self.ctx.acting_for();
        let question = Question { authority, acting_for, action, resource, deciding: None };
        self.ctx.app.policies.decide(&question)
    }

    /// The same of a decision at a gate (I04).
    pub fn ask_deciding(&self, authority: &Authority, resource: &Resource<'_>, deciding: &Deciding) -> Result<Allowed> {
        let (action, acting_for) = (Action::GateDecide, self.ctx.acting_for());
        let question = Question { authority, acting_for, action, resource, deciding: Some(deciding) };
        self.ctx.app.policies.decide(&question)
    }

    /// The call.
    pub fn ctx(&self) -> &Ctx {
        self.ctx
    }

    async fn refused(&self, refusal: Option<Error>) -> Result<()> {
        let Some(refusal) = refusal else {
            return Ok(());
        };
        self.ctx.record_refusal(self.action, Object::of(self.organisation()), &refusal).await?;
        Err(refusal)
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Reading<'_> {
    fn get_database_backend(&self) -> DbBackend {
        self.scoped.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.scoped.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.scoped.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, question: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.scoped.query_one_raw(question).await
    }

    async fn query_all_raw(&self, question: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.scoped.query_all_raw(question).await
    }
}

/// How a command ended well.
pub struct Done<T> {
    tx: Tx,
    each: Vec<Each>,
    response: T,
}

/// One of the things that a command did, or refused: each has its entry in the log.
pub struct Each {
    object: Option<Object>,
    outcome: Result<Allowed>,
    changes: Changes,
}

impl Each {
    /// Done, by the right to do it, to what it created.
    pub fn created<K: Kind>(allowed: Allowed, id: Id<K>, changes: Changes) -> Self {
        Self { object: Some(Object::of(id)), outcome: Ok(allowed), changes }
    }

    /// Refused.
    pub fn refused<K: Kind>(id: Id<K>, refusal: Error) -> Self {
        Self { object: Some(Object::of(id)), outcome: Err(refusal), changes: Changes::default() }
    }
}
