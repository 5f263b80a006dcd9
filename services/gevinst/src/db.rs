//! The database, an organisation at a time.
//!
//! A read ([`Scoped`]) is one statement in one round trip: it sets the organisation, reads or confirms what the caller
//! holds, sets what they see, and asks; a second one only when who holds what has changed since. A
//! write ([`Tx`]) exists only inside a command (`ctx.rs`), which alone can begin and commit. Both are `ConnectionTrait`s,
//! so that entities work on them, and both make a span of every statement. Row-level security stands underneath: what
//! runs without an organisation sees nothing (I25).

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use quick_cache::sync::Cache;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    FromQueryResult, QueryResult, Statement, TransactionTrait, Value,
};
use serde::de::DeserializeOwned;
use time::{Date, OffsetDateTime};
use tracing::{Instrument, Span, field::Empty, info_span};
use uuid::Uuid;

use crate::{
    auth::{
        Authority, Caller,
        authority::{self, Asker},
    },
    config::Secret,
    error::{Error, Result, is_connection, is_lost},
    ids::{BenefitId, ConditionId, Id, Kind, OrganisationId},
};

/// How long an idempotency key is remembered.
pub const IDEMPOTENCY_WINDOW: time::Duration = time::Duration::days(7);

/// A connection that sat unused for this long is asked whether it still lives before it is used.
const PING_AFTER_IDLE: Duration = Duration::from_millis(500);

/// How many callers' authority is kept at most.
const MOST_KNOWN: usize = 10_000;

/// The pool of connections, as the runtime role.
#[derive(Clone)]
pub struct Db {
    pool: DatabaseConnection,
    connections: u32,
    /// What callers hold, as last read; good while its version is.
    known: Arc<Cache<Asker, Arc<Authority>>>,
}

/// What an administrator asks of a database.
#[derive(Debug, FromQueryResult)]
pub struct Vitals {
    /// PostgreSQL's version, as it says it.
    pub version: String,
    /// The same as a number: 150018 is 15.18.
    pub version_number: i32,
    /// What time it has.
    pub now: OffsetDateTime,
    /// How many tables hold what is organisations'.
    pub tables: i32,
    /// Those of them that row-level security does not hold, or not against their owner.
    pub open_tables: Vec<String>,
}

/// An idempotency key on its way into the command's transaction.
pub(crate) struct Claim<'a> {
    /// Whose key it is: two callers may use the same one.
    pub actor: &'a str,
    /// The key.
    pub key: &'a str,
    /// SHA-256 of method and request.
    pub request_sha256: &'a [u8],
    /// The command's time.
    pub now: OffsetDateTime,
}

impl Db {
    /// Makes the pool. Connections are opened as they are needed: the service starts, and heals, without the database.
    /// `name` is what PostgreSQL's own views call them.
    pub async fn connect(
        url: &Secret,
        name: &str,
        connections: u32,
        statement_timeout: Duration,
    ) -> Result<Self, DbErr> {
        let mut options = ConnectOptions::new(url.reveal());
        options
            .max_connections(connections)
            .min_connections(0)
            .acquire_timeout(Duration::from_secs(3))
            .connect_lazy(true)
            .test_before_acquire_if_idle_for(PING_AFTER_IDLE)
            .statement_timeout(statement_timeout)
            .set_application_name(name)
            .sqlx_logging(false);
        let known = Arc::new(Cache::new(MOST_KNOWN));
        Ok(Self { pool: Database::connect(options).await?, connections, known })
    }

    /// Asks again when the connection turns out to be dead: a read, or the beginning of a transaction. A restarted
    /// database leaves up to a pool of dead connections behind, each gone from the pool once it was tried, and the next
    /// call is to work. Where no connection can be had, the pool has waited for one already.
    async fn alive<T, F>(&self, ask: impl Fn() -> F) -> Result<T, DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        let mut dead = 0;
        loop {
            match ask().await {
                Err(error) if is_lost(&error) && dead < self.connections => dead += 1,
                answer => return answer,
            }
        }
    }

    /// Reads of what a caller sees of an organisation's rows.
    pub fn scoped(&self, asker: Asker) -> Scoped<'_> {
        Scoped { db: self, asker, authority: OnceLock::new() }
    }

    /// The rows of `organisations` for each of these ids, by name, in one round trip, but of those that have revoked the
    /// caller. The inner side names the outer row's id, so it is asked anew, under the setting just made, for each.
    pub async fn organisations(&self, caller: &Caller) -> Result<Vec<QueryResult>> {
        let sql = "SELECT answer.* FROM (SELECT set_config('app.organisation', id::text, true)::uuid AS id \
            FROM unnest($1::uuid[]) AS id OFFSET 0) AS caller CROSS JOIN LATERAL \
            (SELECT * FROM organisations o WHERE o.id = caller.id AND NOT EXISTS (SELECT FROM token_denials n \
                WHERE n.organisation_id = caller.id AND n.lifted_at IS NULL AND (n.value, n.claim) IN (($2, 'SUBJECT'), ($3, 'TOKEN_ID'))) \
                OFFSET 0) AS answer ORDER BY answer.name";
        let ids: Vec<Uuid> = caller.organisations().map(OrganisationId::uuid).collect();
        let statement = postgres(sql, [ids.into(), caller.subject().into(), caller.token_id().into()]);
        let span = statement_span(sql);
        Ok(self.alive(|| traced(span.clone(), self.pool.query_all_raw(statement.clone()))).await?)
    }

    /// Begins a command's transaction: scoped, with what the caller holds and the idempotency key claimed, in one round
    /// trip after BEGIN. `false` when the key was used before; a concurrent holder of the same key is waited for.
    ///
    /// A command covers the organisation: on each object that it touches, the policies decide.
    pub(crate) async fn begin(&self, asker: &Asker, claim: Option<Claim<'_>>) -> Result<Begun> {
        let transaction = self.alive(|| traced(statement_span("BEGIN"), self.pool.begin())).await?;
        let tx = Tx { transaction };
        let mut values: Vec<Value> = vec![asker.organisation.to_string().into()];
        // Drop up to two keys that nobody can retry any more (so that the table stays as small as a week's commands), and
        // take this one (one that has expired is taken as if it were new).
        let (claiming, claimed) = match claim {
            None => ("", "true"),
            Some(claim) => {
                values.extend([
                    claim.actor.into(),
                    claim.key.into(),
                    claim.request_sha256.into(),
                    claim.now.into(),
                    (claim.now - IDEMPOTENCY_WINDOW).into(),
                ]);
                let claiming = ", expired AS (DELETE FROM idempotency_records WHERE (organisation_id, actor, key) IN \
                        (SELECT r.organisation_id, r.actor, r.key FROM caller JOIN idempotency_records r \
                             ON r.organisation_id = caller.id WHERE r.created_at < $6 AND (r.actor, r.key) <> ($2, $3) \
                             ORDER BY r.created_at LIMIT 2 FOR UPDATE OF r SKIP LOCKED)), \
                    claimed AS (INSERT INTO idempotency_records (organisation_id, actor, key, request_sha256, created_at) \
                        SELECT caller.id, $2, $3, $4, $5 FROM caller ON CONFLICT (organisation_id, actor, key) DO UPDATE \
                        SET request_sha256 = excluded.request_sha256, response = NULL, created_at = excluded.created_at \
                        WHERE idempotency_records.created_at < $6 RETURNING 1)";
                (claiming, "EXISTS (SELECT FROM claimed)")
            }
        };
        let known = self.known.get(asker);
        let first = values.len() + 1;
        let authority = match &known {
            Some(known) => {
                values.extend(asker.known_values(known));
                authority::known(first)
            }
            None => {
                values.extend(asker.values());
                authority::whole(first)
            }
        };
        let sql = format!(
            "WITH caller AS MATERIALIZED (SELECT set_config('app.organisation', $1, true)::uuid AS id, \
                set_config('app.scopes', '{{' || $1 || '}}', true)){claiming} \
             SELECT held.version, held.authority, {claimed}, held.policies FROM caller CROSS JOIN LATERAL \
                (SELECT * FROM ({authority}) AS asked WHERE caller.id IS NOT NULL OFFSET 0) AS held",
        );
        let row = tx.query_one_raw(postgres(sql, values)).await?.ok_or(Error::OrganisationUnknown)?;
        let authority = match (known, row.try_get_by_index::<Option<String>>(1)?) {
            (Some(known), _) if known.version == row.try_get_by_index::<i64>(0)? => known,
            (None, Some(answer)) => self.learn(asker, &answer)?,
            // Another version since: asked anew, in the same transaction.
            _ => {
                let whole = postgres(authority::whole(1), asker.values());
                let row = tx.query_one_raw(whole).await?.ok_or(Error::OrganisationUnknown)?;
                self.learn(asker, &row.try_get::<String>("", "authority")?)?
            }
        };
        let (claimed, policies) = (row.try_get_by_index(2)?, row.try_get_by_index(3)?);
        Ok(Begun { authority, claimed, policies, tx })
    }

    /// Whether a caller still holds what they held when the command began: asked anew where the version has changed, in
    /// this transaction or another.
    pub(crate) async fn still_holds(&self, tx: &Tx, asker: &Asker, then: &Authority) -> Result<bool> {
        let row = tx.query_one_raw(postgres(authority::whole(1), asker.values())).await?;
        let now = row.ok_or(Error::OrganisationUnknown)?.try_get::<String>("", "authority")?;
        let now = Authority::read(asker, &now)?;
        Ok((now.denied, &now.roles) == (then.denied, &then.roles))
    }

    /// Keeps what was read of a caller.
    fn learn(&self, asker: &Asker, answer: &str) -> Result<Arc<Authority>> {
        let authority = Arc::new(Authority::read(asker, answer)?);
        self.known.insert(asker.clone(), authority.clone());
        Ok(authority)
    }

    /// Keeps counts of refused calls that stand in no organisation's log: `refused_calls`, which the service can only add
    /// to.
    pub async fn keep_refused(&self, statement: Statement) -> Result<(), DbErr> {
        self.alive(|| traced(statement_span(&statement.sql), self.pool.execute_raw(statement.clone()))).await.map(drop)
    }

    /// Takes the lease of a job, or prolongs it, by the database's own time; `false` while another holds it.
    pub async fn take_lease(&self, job: &str, holder: Uuid, length: Duration) -> Result<bool, DbErr> {
        let sql = "INSERT INTO clock_leases AS l (job, holder, until) VALUES ($1, $2, now() + $3 * interval '1 second') \
            ON CONFLICT (job) DO UPDATE SET holder = excluded.holder, until = excluded.until \
            WHERE l.holder = excluded.holder OR l.until < now() RETURNING job";
        let statement = postgres(sql, [job.into(), holder.into(), length.as_secs_f64().into()]);
        let span = statement_span(sql);
        let rows = self.alive(|| traced(span.clone(), self.pool.query_all_raw(statement.clone()))).await?;
        Ok(!rows.is_empty())
    }

    /// Gives a lease back, if it is still this holder's: the next one need not wait.
    pub async fn give_back_lease(&self, job: &str, holder: Uuid) -> Result<(), DbErr> {
        let sql = "UPDATE clock_leases SET until = now() WHERE job = $1 AND holder = $2";
        let statement = postgres(sql, [job.into(), holder.into()]);
        self.alive(|| traced(statement_span(sql), self.pool.execute_raw(statement.clone()))).await.map(drop)
    }

    /// Open conditions whose last day has passed, but for these: so many at most, of all organisations, in one round trip.
    pub async fn overdue(
        &self,
        today: Date,
        but: &[Uuid],
        most: i64,
    ) -> Result<Vec<(OrganisationId, ConditionId)>, DbErr> {
        let overdue = "SELECT c.organisation_id, c.id FROM conditions c WHERE c.organisation_id = one.id \
            AND c.state = 'OPEN' AND c.due_on < $1 AND c.id <> ALL ($2)";
        self.due(overdue, today, but, most).await
    }

    /// Benefits whose owner has accepted and departed (I11), but for these: so many at most, of all organisations, in one
    /// round trip. Who leads a unit with an operational area at or below it, on the way down to the project's own unit or to
    /// another that it affects, has not, unless they manage the project by now (I10); an approved exception covers what it was
    /// approved for (`owners::rules::is_covered`).
    pub async fn departed(
        &self,
        today: Date,
        but: &[Uuid],
        most: i64,
    ) -> Result<Vec<(OrganisationId, BenefitId)>, DbErr> {
        let departed = "SELECT b.organisation_id, b.id FROM benefits b \
            JOIN projects p ON p.organisation_id = b.organisation_id AND p.id = b.project_id \
            JOIN benefit_ownerships o ON o.organisation_id = b.organisation_id AND o.benefit_id = b.id AND o.state = 'ACCEPTED' \
            WHERE b.organisation_id = one.id AND b.owner_state = 'ACCEPTED' AND b.id <> ALL ($2) \
            AND (EXISTS (SELECT FROM token_denials n WHERE n.organisation_id = b.organisation_id AND n.value = b.owner \
                AND n.claim = 'SUBJECT' AND n.lifted_at IS NULL) \
            OR (p.project_manager = b.owner AND (o.approver IS NULL OR NOT o.eligibility @> '{\"reasons\": \
                [{\"code\": \"BENEFIT_OWNER_REASON_CODE_MANAGES_PROJECT\"}]}')) \
            OR ((o.approver IS NULL OR o.eligibility @> '{\"reasons\": \
                [{\"code\": \"BENEFIT_OWNER_REASON_CODE_LEADS_AFFECTED_AREA\"}]}') AND NOT EXISTS (SELECT FROM org_units u JOIN org_units a \
                ON a.organisation_id = u.organisation_id AND u.id = ANY (a.path) \
                WHERE u.organisation_id = b.organisation_id AND u.leader = b.owner AND (a.id = ANY (p.scopes) OR EXISTS (SELECT FROM org_units t \
                    WHERE t.organisation_id = p.organisation_id AND t.id = ANY (p.affected_units) AND a.id = ANY (t.path))) \
                AND a.is_operational_area AND coalesce(a.valid_from, $1) <= $1 AND coalesce(a.valid_until, $1) >= $1 \
                AND coalesce(u.valid_from, $1) <= $1 AND coalesce(u.valid_until, $1) >= $1)))";
        self.due(departed, today, but, most).await
    }

    /// Benefits of which something has become due, late or missing, but for these: so many at most, of all organisations, in
    /// one round trip.
    pub async fn to_remind(
        &self,
        today: Date,
        but: &[Uuid],
        most: i64,
    ) -> Result<Vec<(OrganisationId, BenefitId)>, DbErr> {
        let looks = "SELECT b.organisation_id, b.id FROM benefits b WHERE b.organisation_id = one.id \
            AND b.next_look_on <= $1 AND b.id <> ALL ($2)";
        self.due(looks, today, but, most).await
    }

    /// What a day has made due, by a question about the organisation `one.id`, the day `$1` and what is not asked for `$2`.
    ///
    /// Each side names a column of the one before, as in [`Self::organisations`]: which organisations there are is asked
    /// under the clock's own setting, and each one's rows under its own. What is seen within an organisation is set once
    /// for all of them, because PostgreSQL reads that setting once a statement.
    async fn due<K: Kind>(
        &self,
        question: &str,
        today: Date,
        but: &[Uuid],
        most: i64,
    ) -> Result<Vec<(OrganisationId, Id<K>)>, DbErr> {
        let sql = format!(
            "SELECT due.organisation_id, due.id FROM (SELECT set_config('app.clock', 'on', true) AS is_on OFFSET 0) AS clock \
            CROSS JOIN LATERAL (SELECT array_agg(o.id) AS ids, set_config('app.scopes', array_agg(o.id)::text, true) AS scopes \
                FROM organisations o WHERE clock.is_on = 'on' OFFSET 0) AS every \
            CROSS JOIN LATERAL (SELECT set_config('app.organisation', id::text, true)::uuid AS id \
                FROM unnest(every.ids) AS id WHERE every.scopes <> '' OFFSET 0) AS one \
            CROSS JOIN LATERAL ({question} OFFSET 0) AS due LIMIT $3"
        );
        let span = statement_span(&sql);
        let statement = postgres(sql, [today.into(), but.to_vec().into(), most.into()]);
        let rows = self.alive(|| traced(span.clone(), self.pool.query_all_raw(statement.clone()))).await?;
        let found = rows
            .iter()
            .map(|row| Ok((OrganisationId::new(row.try_get_by_index(0)?), Id::new(row.try_get_by_index(1)?))));
        found.collect()
    }

    /// The names of the migrations that the database has, oldest first.
    pub async fn schema(&self) -> Result<Vec<String>> {
        let sql = "SELECT version FROM seaql_migrations ORDER BY version";
        let rows = self.alive(|| self.pool.query_all_raw(postgres(sql, []))).await?;
        rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
    }

    /// What an administrator asks of a database, whatever is in it.
    pub async fn vitals(&self) -> Result<Vitals> {
        let sql = "SELECT current_setting('server_version') AS version, current_setting('server_version_num')::integer \
                AS version_number, clock_timestamp() AS now, count(c.oid)::integer AS tables, \
                coalesce(array_agg(c.relname::text ORDER BY c.relname) FILTER (WHERE c.oid IS NOT NULL AND NOT (c.relrowsecurity \
                    AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))), '{}') \
                AS open_tables \
            FROM (VALUES (1)) AS one LEFT JOIN pg_class c ON c.relkind IN ('r', 'p') \
                AND c.relnamespace = 'public'::regnamespace AND EXISTS (SELECT FROM pg_attribute a \
                    WHERE a.attrelid = c.oid AND a.attname = 'organisation_id' AND NOT a.attisdropped)";
        let row = self.alive(|| self.pool.query_one_raw(postgres(sql, []))).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("nothing was answered".to_owned()))?;
        Ok(Vitals::from_query_result(&row, "")?)
    }

    /// Whether some replica does the clock's work.
    pub async fn is_lease_held(&self) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT FROM clock_leases WHERE until > now())";
        let row = self.alive(|| self.pool.query_one_raw(postgres(sql, []))).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default())
    }

    /// Why the connected role must not serve: row-level security would not hold it. It holds a role that neither owns
    /// tables nor bypasses policies, by itself or by membership.
    pub async fn role_problem(&self) -> Result<Option<String>> {
        // By membership too: who may become the owner, or one whom policies do not hold, is not held either.
        let sql = "SELECT current_user::text, EXISTS (SELECT FROM pg_roles r \
                WHERE (r.rolsuper OR r.rolbypassrls) AND pg_has_role(current_user, r.oid, 'MEMBER')), \
            EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace \
                AND c.relkind IN ('r', 'p', 'v', 'm') AND pg_has_role(current_user, c.relowner, 'MEMBER'))";
        let Some(row) = self.alive(|| self.pool.query_one_raw(postgres(sql, []))).await? else {
            return Ok(Some("the connected role is not in pg_roles".to_owned()));
        };
        let (name, bypasses, owns): (String, bool, bool) =
            (row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index(2)?);
        Ok(if bypasses {
            Some(format!("role {name} is a superuser or bypasses row-level security: connect as gevinst_app"))
        } else if owns {
            Some(format!("role {name} owns tables, and an owner can switch their policies off: connect as gevinst_app"))
        } else {
            None
        })
    }

    /// How many connections are used, how many are idle, and how many there may be.
    pub fn pool(&self) -> (u32, u32, u32) {
        let pool = self.pool.get_postgres_connection_pool();
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        (pool.size().saturating_sub(idle), idle, self.connections)
    }

    /// Closes the connections, after the last command.
    pub async fn close(self) {
        if let Err(error) = self.pool.close().await {
            tracing::warn!(%error, "the database pool did not close cleanly");
        }
    }
}

/// A statement with its values.
pub fn postgres(sql: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

/// A transaction that has begun.
pub(crate) struct Begun {
    /// The transaction.
    pub tx: Tx,
    /// What the caller holds.
    pub authority: Arc<Authority>,
    /// The hash of the policies that the organisation's log last named.
    pub policies: Option<String>,
    /// Whether the idempotency key, if there is one, is this command's.
    pub claimed: bool,
}

/// What a caller sees of one organisation's rows, to read; and, once read, what the caller holds there.
pub struct Scoped<'a> {
    db: &'a Db,
    asker: Asker,
    authority: OnceLock<Arc<Authority>>,
}

impl Scoped<'_> {
    /// The organisation read from.
    pub fn organisation(&self) -> OrganisationId {
        self.asker.organisation
    }

    /// What the caller holds, as the first statement read or confirmed it; `None` before, and of an organisation that has
    /// not been founded here.
    pub fn authority(&self) -> Option<&Arc<Authority>> {
        self.authority.get()
    }

    /// The statement that a question becomes for this caller, as far as they are known.
    pub fn statement(&self, question: Statement) -> Statement {
        self.ask(question, self.db.known.get(&self.asker).as_deref())
    }

    /// Puts the question behind the settings that it needs, in one statement and so in one round trip.
    ///
    /// The order is no accident of planning: what the caller holds is asked below `caller`, which has set the
    /// organisation, and the question below `held`, which has set what the caller sees. Each refers to a column of the
    /// one before, so PostgreSQL can only evaluate it inside a nested loop below; OFFSET 0 keeps the planner from
    /// flattening any of it. Were it wrong, a setting would be empty and the answer with it: it fails closed. (Not for
    /// partitioned tables: those prune with stable functions before the first row.)
    fn ask(&self, question: Statement, known: Option<&Authority>) -> Statement {
        let mut values = question.values.map(|values| values.0).unwrap_or_default();
        let first = values.len() + 1;
        let authority = match known {
            Some(known) => {
                values.extend(self.asker.known_values(known));
                authority::known(first)
            }
            None => {
                values.extend(self.asker.values());
                authority::whole(first)
            }
        };
        let sql = format!(
            "SELECT answer.*, held.version AS _version, held.authority AS _authority FROM \
             (SELECT set_config('app.organisation', ${first}, true) AS organisation OFFSET 0) AS caller CROSS JOIN LATERAL \
             (SELECT version, authority, set_config('app.scopes', scopes, true) AS scopes, \
                set_config('app.subject', subject, true) AS subject FROM ({authority}) AS asked \
                WHERE caller.organisation <> '' OFFSET 0) AS held LEFT JOIN LATERAL \
             (SELECT *, true AS _found FROM ({question}) AS asked WHERE held.scopes <> '' AND held.subject <> '' OFFSET 0) \
                AS answer ON true",
            question = question.sql,
        );
        postgres(sql, values)
    }

    /// The rows that answer the question; `None` when what was known of the caller is of another version than now.
    fn answered(
        &self,
        rows: Vec<QueryResult>,
        known: Option<Arc<Authority>>,
    ) -> Result<Option<Vec<QueryResult>>, DbErr> {
        let Some(first) = rows.first() else { return Ok(Some(rows)) };
        let authority = match known {
            Some(known) if known.version == first.try_get::<i64>("", "_version")? => known,
            Some(_) => return Ok(None),
            None => {
                let answer: String = first.try_get("", "_authority")?;
                let learnt = self.db.learn(&self.asker, &answer);
                learnt.map_err(|error| DbErr::Custom(error.cause()))?
            }
        };
        self.authority.get_or_init(|| authority);
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            if row.try_get::<Option<bool>>("", "_found")?.is_some() {
                found.push(row);
            }
        }
        Ok(Some(found))
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Scoped<'_> {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, _: Statement) -> Result<ExecResult, DbErr> {
        Err(DbErr::Custom("a write exists only inside a command".to_owned()))
    }

    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(DbErr::Custom("a write exists only inside a command".to_owned()))
    }

    async fn query_one_raw(&self, question: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(question).await?.into_iter().next())
    }

    async fn query_all_raw(&self, question: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let known = self.db.known.get(&self.asker);
        let span = statement_span(&question.sql);
        let ask = async |statement: Statement| {
            self.db.alive(|| traced(span.clone(), self.db.pool.query_all_raw(statement.clone()))).await
        };
        let rows = ask(self.ask(question.clone(), known.as_deref())).await?;
        if let Some(found) = self.answered(rows, known)? {
            return Ok(found);
        }
        // Somebody's grant, unit or revocation has changed since: once more, with all that is held now.
        let rows = ask(self.ask(question, None)).await?;
        Ok(self.answered(rows, None)?.unwrap_or_default())
    }
}

/// A command's transaction. Dropped without `commit`, it never was.
pub struct Tx {
    transaction: DatabaseTransaction,
}

impl Tx {
    /// Makes it so. An error of the connection leaves the outcome unknown: it is never retried here.
    pub(crate) async fn commit(self) -> Result<()> {
        let committed = traced(statement_span("COMMIT"), self.transaction.commit()).await;
        committed.map_err(|error| if is_connection(&error) { Error::OutcomeUnknown(error) } else { error.into() })
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Tx {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let span = statement_span(&statement.sql);
        traced(span, self.transaction.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        traced(statement_span(sql), self.transaction.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let span = statement_span(&statement.sql);
        traced(span, self.transaction.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let span = statement_span(&statement.sql);
        traced(span, self.transaction.query_all_raw(statement)).await
    }
}

/// Asks inside a span, which says so when the answer is an error.
async fn traced<T>(span: Span, asking: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    let answer = asking.instrument(span.clone()).await;
    if answer.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    answer
}

/// A span of one statement, named by OpenTelemetry's database conventions. The text is safe to keep: every value is a
/// parameter.
fn statement_span(sql: &str) -> Span {
    let operation = sql.split_whitespace().next().unwrap_or_default();
    let table = sql.split('"').nth(1).unwrap_or_default();
    info_span!(
        target: "gevinst::sql",
        "sql",
        otel.name = format!("{operation} {table}").trim_end(),
        otel.kind = "client",
        db.system.name = "postgresql",
        db.operation.name = operation,
        db.query.text = sql,
        otel.status_code = Empty,
    )
}

/// What a column holds as JSON; nothing where it is null.
pub fn json_column<T: DeserializeOwned>(row: &QueryResult, column: &str) -> Result<Option<T>> {
    let text: Option<String> = row.try_get("", column)?;
    let unreadable = |error: serde_json::Error| Error::Internal(format!("{column} cannot be read: {error}"));
    text.map(|text| serde_json::from_str(&text).map_err(unreadable)).transpose()
}
