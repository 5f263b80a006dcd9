//! Another organisation's objects, in every path, body and filter; and what filters, orders and page tokens smuggle.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gevinst_proto::v1 as pb;
use prost::Message;
use serde_json::{Value, json};
use tonic::Code;

use super::{Both, HARMLESS, MALFORMED, Suite, Trace, answer, everything};
use crate::coverage::{Objects, is_command, message, methods, path, sample};

/// The places in a sample where an object's id stands, as JSON pointers: where two organisations' samples differ.
fn ids(own: &Value, foreign: &Value, at: &str) -> Vec<String> {
    match (own, foreign) {
        (Value::Object(own), Value::Object(foreign)) => {
            own.iter().flat_map(|(name, value)| ids(value, &foreign[name], &format!("{at}/{name}"))).collect()
        }
        (Value::String(own), Value::String(foreign)) if own != foreign && own.parse::<uuid::Uuid>().is_ok() => {
            vec![at.to_owned()]
        }
        _ => Vec::new(),
    }
}

pub async fn attack(suite: &mut Suite) {
    let (own, foreign) = (Objects::in_(&suite.world).await, Objects::in_(&suite.there).await);
    let nosy = suite.world.person("nosy", &everything());
    let not_found = (Code::NotFound, "NOT_FOUND");
    suite.part("Another organisation's objects");
    suite.family("Every RPC in an organisation that the token does not name");
    for method in methods() {
        let (request, _) = sample(method.name(), &foreign);
        if request.get("organisation").is_none() {
            continue;
        }
        let request = message(&method, request).encode_to_vec();
        suite.refuses_bytes(method.name(), &nosy, &path(&method), request, not_found, Trace::Door).await;
    }
    suite.family("Every id of a request, in the path or in the body, another organisation's");
    let mut tried = 0;
    for method in methods() {
        let ((ours, _), (theirs, _)) = (sample(method.name(), &own), sample(method.name(), &foreign));
        for place in ids(&ours, &theirs, "").iter().filter(|place| *place != "/organisation") {
            let mut request = ours.clone();
            *request.pointer_mut(place).unwrap() = theirs.pointer(place).unwrap().clone();
            let name = format!("{}{}", method.name(), place.replace('/', "."));
            let trace = if is_command(&method) { Trace::Audit("") } else { Trace::Door };
            let request = message(&method, request).encode_to_vec();
            suite.refuses_bytes(&name, &nosy, &path(&method), request, not_found, trace).await;
            tried += 1;
        }
    }
    assert!(tried >= 33, "only {tried} ids");
    // Those that an update may name, and its sample does not.
    let project = suite.world.project().await;
    let theirs = suite.there.project().await;
    let portfolio = suite.there.portfolio("Også deres").await.id;
    for (name, changes) in [
        ("orgUnit", pb::ProjectChanges { org_unit: Some(theirs.org_unit), ..Default::default() }),
        ("portfolio", pb::ProjectChanges { portfolio: Some(portfolio), ..Default::default() }),
    ] {
        let update = pb::UpdateProjectRequest {
            organisation: suite.world.id(),
            project: project.id.clone(),
            changes: Some(changes),
            update_mask: None,
            etag: project.etag.clone(),
            validate_only: false,
        };
        let name = format!("UpdateProject.changes.{name}");
        suite.refuses(&name, &nosy, update, not_found, Trace::Audit("")).await;
    }
    filters(suite).await;
    smuggled(suite).await;
}

/// Lists filtered on another organisation's ids, and continued with its page tokens.
async fn filters(suite: &mut Suite) {
    let (here, there) = (suite.world.id(), suite.there.seen_from(super::ATTACKER));
    let nosy = suite.world.person("nosy", &everything());
    let auditor = suite.world.auditor();
    let project = there.project().await;
    let benefit = there.benefit(&project, "1", "2").await;
    let grant = there.granted("lender", gevinst::auth::Role::SteeringGroup).await;
    there.delegated(&grant, "substitute").await;
    let portfolio = there.portfolio("Deres").await;
    let is = |field: &str, id: &str| format!("{field} = \"{id}\"");
    suite.part("Filters, orders and page tokens");
    suite.family("Every filter on an id, another organisation's");
    for (field, id) in [("org_unit", &project.org_unit), ("portfolio", &portfolio.id)] {
        let list = pb::ListProjectsRequest { organisation: here.clone(), filter: is(field, id), ..Default::default() };
        suite.finds_nothing(&format!("ListProjects, {field}"), &nosy, list).await;
    }
    for field in ["parent", "ancestor"] {
        let filter = is(field, &project.org_unit);
        let list = pb::ListOrgUnitsRequest { organisation: here.clone(), filter, ..Default::default() };
        suite.finds_nothing(&format!("ListOrgUnits, {field}"), &nosy, list).await;
    }
    let list = pb::ListBenefitsRequest {
        organisation: here.clone(),
        filter: is("project", &project.id),
        ..Default::default()
    };
    suite.finds_nothing("ListBenefits, project", &nosy, list).await;
    let placed = suite.world.unit("Et sted").await;
    let list = pb::ListOrgUnitPlacementsRequest {
        organisation: here.clone(),
        org_unit: placed.id,
        filter: is("parent", &project.org_unit),
        ..Default::default()
    };
    suite.finds_nothing("ListOrgUnitPlacements, parent", &nosy, list).await;
    let list = pb::ListRoleGrantsRequest {
        organisation: here.clone(),
        filter: is("scope", &there.id()),
        ..Default::default()
    };
    suite.finds_nothing("ListRoleGrants, scope", &nosy, list).await;
    let list = pb::ListDelegationsRequest {
        organisation: here.clone(),
        filter: is("role_grant", &grant.id),
        ..Default::default()
    };
    suite.finds_nothing("ListDelegations, role_grant", &nosy, list).await;
    for (what, id) in [("project", &project.id), ("benefit", &benefit.id)] {
        let list =
            pb::ListAuditEntriesRequest { organisation: here.clone(), filter: is("object", id), ..Default::default() };
        suite.finds_nothing(&format!("ListAuditEntries, object that is a {what}"), &auditor, list).await;
    }
}

/// SQL, other columns, tampered positions, a personal number.
async fn smuggled(suite: &mut Suite) {
    suite.part("Filters, orders and page tokens");
    let (here, nosy) = (suite.world.id(), suite.world.person("nosy", &everything()));
    let projects = || pb::ListProjectsRequest { organisation: here.clone(), ..Default::default() };
    let invalid = |reason| (Code::InvalidArgument, reason);
    let never = pb::ListProjectsRequest { filter: "title = \"x' OR '1'='1\"".to_owned(), ..projects() };
    suite.finds_nothing("SQL in a filter's text", &nosy, never).await;
    for (name, filter) in [
        ("SQL for a filter", "1=1; DROP TABLE projects --"),
        ("SQL in a filter's field", "title) OR (1 = 1"),
        ("filter on a column that is no field", "organisation_id != \"x\""),
        ("function in a filter", "pg_sleep(10) = 1"),
        ("filter of 400 brackets", &"(".repeat(400)),
        ("filter of 1000 terms", &"a ".repeat(500)),
    ] {
        let list = pb::ListProjectsRequest { filter: filter.to_owned(), ..projects() };
        suite.refuses(name, &nosy, list, invalid("FILTER_INVALID"), MALFORMED).await;
    }
    for (name, order) in [
        ("SQL in an order", "title; DROP TABLE projects"),
        ("order by a column that is no field", "organisation_id"),
        ("order by a sub-select", "(SELECT 1)"),
    ] {
        let list = pb::ListProjectsRequest { order_by: order.to_owned(), ..projects() };
        suite.refuses(name, &nosy, list, invalid("ORDER_INVALID"), MALFORMED).await;
    }
    let page = pb::ListProjectsRequest { page_size: 1, ..projects() };
    let token = nosy.call(page.clone()).await.unwrap().next_page_token;
    let mut said: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&token).unwrap()).unwrap();
    said["list"] = json!("another");
    let tampered = URL_SAFE_NO_PAD.encode(said.to_string());
    let units = pb::ListOrgUnitsRequest { organisation: here.clone(), page_size: 1, ..Default::default() };
    let of_units = nosy.call(units).await.unwrap().next_page_token;
    for (name, token) in [
        ("page token that is none", "AAAA".to_owned()),
        ("page token of another list", of_units),
        ("page token tampered with", tampered),
    ] {
        let list = pb::ListProjectsRequest { page_token: token, ..projects() };
        suite.refuses(name, &nosy, list, invalid("PAGE_TOKEN_INVALID"), MALFORMED).await;
    }
    // A position grants nothing: another organisation's leads into one's own list.
    let there = suite.there.id();
    let stranger = suite.there.office();
    let theirs = pb::ListProjectsRequest { organisation: there, page_size: 1, ..Default::default() };
    let page_token = stranger.call(theirs).await.unwrap().next_page_token;
    assert!(!page_token.is_empty());
    let mut got = Vec::new();
    for (person, fine) in [(nosy.clone().over_grpc(), answer("OK", "")), (nosy.clone().over_http(), answer(200, ""))] {
        let list = pb::ListProjectsRequest { page_token: page_token.clone(), ..projects() };
        let found = person.call(list).await.unwrap().projects;
        let own = found.iter().all(|project| project.organisation == here);
        got.push((if own { fine.clone() } else { answer("another's", "") }, fine));
    }
    let both = Both { grpc: Some(got.remove(0)), http: Some(got.remove(0)) };
    suite.saw("page token of another organisation, only one's own found", both, HARMLESS);
    let unit = suite.world.unit("Enhed for numre").await;
    let register = suite.world.registration(&unit, "Sagen om 010190-1234");
    let refused = invalid("PERSONAL_NUMBER_REFUSED");
    suite.refuses("personal number in a title", &nosy, register, refused, MALFORMED).await;
    let register = suite.world.registration(&unit, "Skjult\u{0}tegn\u{1b}[2J");
    suite.refuses("control characters in a title", &nosy, register, invalid("FIELD_INVALID"), MALFORMED).await;
}
