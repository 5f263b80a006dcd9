//! The grid as text.

use std::fmt::Write;

use cedar_policy::{Effect, PolicySet};
use gevinst::{
    auth::{Action, Allowed, CallerKind, Role, authority::Held, policy::Deciding},
    error::{Error, Result},
};
use strum::IntoEnumIterator;
use time::macros::date;

use super::cast::{
    About, Case, Cast, ORGANISATION, PLACES, PROJECT, SIBLING, UNIT, about, covered, held, lent, mandate,
};

const INTRODUCTION: &str = "\
WHO MAY DO WHAT

Written by a test (tests/it/grid.rs) that asks the policies which the service asks (services/gevinst/src/auth/
policies.cedar). Do not edit: GEVINST_TEST_UPDATE=1 tests/run -- grid:: writes it anew. A change here is a change of who
may do what, and has to be meant.

How to read it. A role holds in a place, and covers all that lies in it. The letters say where a role has to hold for the
action to be allowed:

  O  the whole organisation
  A  the unit above the one that the object lies in
  U  the unit that the object lies in, or is
  P  the portfolio that the project belongs to
  p  the one project
  all  any of these will do
  -  never, wherever the role holds

A role that holds anywhere else, in a unit beside or in another portfolio or project, gives nothing; but what \"all\" may
read of the organisation itself, whoever has a role anywhere in it may read. Another organisation's objects are never
seen or touched, whatever one holds.

The roles:
";

/// The abbreviation of a role, and what it is called in Danish.
fn names(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::ExecutiveBoard => ("EB", "Direktion"),
        Role::SteeringGroup => ("SG", "Digital Styregruppe"),
        Role::PortfolioOffice => ("PO", "Porteføljekontor"),
        Role::ProjectOwner => ("OWN", "Projektejer"),
        Role::ProjectManager => ("MAN", "Projektleder"),
        Role::BenefitOwner => ("BEN", "Gevinstansvarlig"),
        Role::AreaLeader => ("AL", "Områdeleder"),
        Role::AssessorDpo => ("DPO", "Databeskyttelsesrådgiver"),
        Role::AssessorCiso => ("CISO", "Informationssikkerhedsansvarlig"),
        Role::AssessorUx => ("UX", "Ansvarlig for brugervenlighed og tilgængelighed"),
        Role::Finance => ("FIN", "Økonomi"),
        Role::Reader => ("READ", "Læser"),
        Role::Auditor => ("AUD", "Revisor"),
        Role::Integration => ("INT", "Andet system i kommunen"),
    }
}

/// The abbreviation of a role.
pub fn short(role: Role) -> &'static str {
    names(role).0
}

/// All of it.
pub fn grid() -> String {
    let mut text = INTRODUCTION.to_owned();
    for role in Role::iter() {
        let (short, danish) = names(role);
        writeln!(text, "  {short:<5} {:<17} {danish}", role.name()).unwrap();
    }
    roles(&mut text);
    relations(&mut text);
    circumstances(&mut text);
    eyes(&mut text);
    matrix(&mut text);
    refusals(&mut text);
    // An editor takes them away, and nobody sees them.
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn heading(text: &mut String, heading: &str, explanation: &str) {
    writeln!(text, "\n\n{heading}\n{}\n\n{explanation}", "=".repeat(heading.chars().count())).unwrap();
}

fn actions(of: About) -> impl Iterator<Item = Action> {
    Action::iter().filter(move |action| about(*action) == of)
}

/// Where a role has to hold.
fn cell(role: Role, case: impl Fn(Held) -> Case) -> String {
    let cast = Cast::default();
    let places = PLACES.into_iter().filter(|(_, place)| case(held(role, *place)).is_allowed(&cast));
    let letters: String = places.map(|(letter, _)| letter).collect();
    match letters.len() {
        0 => "-".to_owned(),
        5 => "all".to_owned(),
        _ => letters,
    }
}

fn row(text: &mut String, label: &str, case: impl Fn(Role, Held) -> Case) {
    write!(text, "{label:<41}").unwrap();
    for role in Role::iter() {
        write!(text, " {:<5}", cell(role, |held| case(role, held))).unwrap();
    }
    text.push('\n');
}

fn header(text: &mut String, title: &str) {
    writeln!(text, "\n{title}").unwrap();
    write!(text, "{:<41}", "").unwrap();
    for role in Role::iter() {
        write!(text, " {:<5}", short(role)).unwrap();
    }
    text.push('\n');
}

fn roles(text: &mut String) {
    heading(
        text,
        "1. By role",
        "A person who holds one role in one place, and is tied to the object in no other way. At a gate the authority matrix\n\
         covers the decision (section 5).",
    );
    let plain = |action: Action| move |role: Role, held: Held| Case { held: vec![held], ..Case::of(action, role) };
    for (title, of) in [
        ("The organisation: its make-up, its audit log, its grants, its matrix, its revocations", About::Organisation),
        ("A unit, and what is put into it", About::Unit),
        ("A project", About::Project),
        ("A review of a project at a gate", About::Review),
        ("A criterion of a project that AL and MAN are to grade", About::Criterion),
        ("A condition of a decision", About::Condition),
        ("A benefit of a project", About::Benefit),
        ("A delegation: a role lent to a substitute", About::Delegation),
    ] {
        header(text, title);
        for action in actions(of) {
            row(text, &format!("  {}", action.name()), plain(action));
            if action == Action::GateDecide {
                beyond_the_matrix(text);
            }
        }
    }
    header(text, "A role granted on a project: the granter's role, and where it holds");
    for action in actions(About::Grant) {
        row(text, &format!("  {}", action.name()), plain(action));
        row(text, "    of a role that may not be passed on", |role, held| {
            let held = vec![Held { grantable: false, ..held }];
            Case { held, ..Case::of(action, role) }
        });
        row(text, "    of another role than one's own", |role, held| {
            let granted = if role == Role::Reader { Role::Finance } else { Role::Reader };
            Case { held: vec![held], granted, ..Case::of(action, role) }
        });
    }
}

fn beyond_the_matrix(text: &mut String) {
    let case = |outcome: &'static str| {
        move |role: Role, held: Held| {
            let deciding = Some(Deciding { outcome: outcome.to_owned(), mandate: None, ..covered(role) });
            Case { held: vec![held], deciding, ..Case::of(Action::GateDecide, role) }
        }
    };
    row(text, "    and no rule of the matrix covers it", case("GO"));
    row(text, "    the same, only to escalate it", case("ESCALATED"));
}

const OF_A_PROJECT: &[About] = &[About::Project, About::Review, About::Criterion, About::Condition, About::Benefit];

fn relations(text: &mut String) {
    heading(
        text,
        "2. By tie to the object, without any role",
        "yes: allowed for who the object itself names so. Empty: it names nobody so.",
    );
    let cast = Cast::default();
    let ties: [(&str, &'static str, &[About]); 16] = [
        ("owner", cast.owner, OF_A_PROJECT),
        ("manager", cast.manager, OF_A_PROJECT),
        ("manager then", cast.manager_then, &[About::Review]),
        ("submitter", cast.submitter, &[About::Review]),
        ("drafter", cast.drafter, &[About::Review]),
        ("condition's owner", cast.condition_owner, &[About::Condition]),
        ("proposer", cast.proposer, &[About::Condition]),
        ("benefit's owner", cast.benefit_owner, &[About::Benefit]),
        ("escalated to", cast.escalated_to, &[About::Benefit]),
        ("nominee", cast.nominee, &[About::Benefit]),
        ("nominator", cast.nominator, &[About::Benefit]),
        ("grantee", cast.grantee, &[About::Grant]),
        ("granter", cast.granter, &[About::Grant]),
        ("delegator", cast.delegator, &[About::Delegation]),
        ("delegate", cast.delegate, &[About::Delegation]),
        (
            "nobody",
            "somebody",
            &[
                About::Organisation,
                About::Unit,
                About::Project,
                About::Review,
                About::Criterion,
                About::Condition,
                About::Benefit,
                About::Grant,
                About::Delegation,
            ],
        ),
    ];
    write!(text, "\n{:<28}", "").unwrap();
    for (tie, ..) in ties {
        write!(text, " {tie:<width$}", width = tie.chars().count().max(7)).unwrap();
    }
    text.push('\n');
    for action in Action::iter() {
        write!(text, "  {:<26}", action.name()).unwrap();
        for (tie, subject, objects) in ties {
            let answer = match objects.contains(&about(action)) {
                false => "",
                true if (Case { subject, ..Case::new(action) }).is_allowed(&cast) => "yes",
                true => "-",
            };
            write!(text, " {answer:<width$}", width = tie.chars().count().max(7)).unwrap();
        }
        text.push('\n');
    }
    text.push_str(
        "\nmanager then: who managed the project when the review was submitted. owner, manager: the project's.\n\
         proposer: who proposed to waive the condition. benefit's owner: who has accepted to own\n\
         it. escalated to: who is to find it another. nominee, nominator: who is asked to own the benefit, and who nominated\n\
         them. condition.lapse and benefit.orphan are the clock's alone.\n",
    );
}

/// The roles that suffice, each in the whole organisation.
fn sufficient(action: Action, change: impl Fn(&mut Case)) -> Vec<Role> {
    let allowed = |role: &Role| {
        let mut case = Case { held: vec![held(*role, ORGANISATION)], ..Case::of(action, *role) };
        change(&mut case);
        case.is_allowed(&Cast::default())
    };
    Role::iter().filter(allowed).collect()
}

fn listed(roles: &[Role]) -> String {
    let names = |roles: &[Role]| roles.iter().map(|role| short(*role)).collect::<Vec<_>>().join(" ");
    match roles.len() {
        0 => "nobody".to_owned(),
        14 => "every role".to_owned(),
        13 => {
            let missing: Vec<Role> = Role::iter().filter(|role| !roles.contains(role)).collect();
            format!("all but {}", names(&missing))
        }
        _ => names(roles),
    }
}

fn circumstances(text: &mut String) {
    heading(
        text,
        "3. By who calls, and for whom",
        "Which roles suffice when they hold in the whole organisation. \"same\": as in the first column.\n\
         program: a system with credentials of its own. auditor too: who also holds the auditor's role.\n\
         for the holder: a substitute whom the role was lent to, and who says for whom they act; as oneself: who does not\n\
         say so. What a tie to the object allows besides is in section 2.",
    );
    writeln!(
        text,
        "\n{:<28} {:<22} {:<14} {:<14} {:<14} as oneself",
        "", "a person", "program", "auditor too", "for the holder"
    )
    .unwrap();
    for action in Action::iter() {
        let own = sufficient(action, |_| {});
        let lend = |case: &mut Case| case.held = vec![lent(case.held[0].role, ORGANISATION, "lender")];
        let others = [
            sufficient(action, |case| case.kind = CallerKind::Service),
            sufficient(action, |case| case.held.push(held(Role::Auditor, SIBLING))),
            sufficient(action, |case| {
                lend(case);
                case.acting_for = Some("lender");
            }),
            sufficient(action, lend),
        ];
        let others = others.map(|roles| if roles == own { "same".to_owned() } else { listed(&roles) });
        let [program, auditor, holder, oneself] = others;
        writeln!(
            text,
            "  {:<26} {:<22} {program:<14} {auditor:<14} {holder:<14} {oneself}",
            action.name(),
            listed(&own)
        )
        .unwrap();
    }
}

fn answer(answer: Result<Allowed>) -> String {
    match answer {
        Ok(allowed) => format!("allowed  {}", allowed.policy()),
        Err(refusal) => {
            let by = refusal.policy().map(|policy| format!(" ({policy})")).unwrap_or_default();
            format!("refused  {}{by}", refusal.reason_name())
        }
    }
}

fn eyes(text: &mut String) {
    heading(
        text,
        "4. Four eyes",
        "Each has a role that would do, in the whole organisation; what the object says of them decides. Who acts for\n\
         another has the role from them.",
    );
    let cast = Cast::default();
    let mut block = |title: &str, lines: Vec<(&str, Case, Cast)>| {
        writeln!(text, "\n{title}").unwrap();
        for (who, case, cast) in lines {
            writeln!(text, "  {who:<62} {}", answer(case.ask(&cast))).unwrap();
        }
    };
    let with = |action: Action, role: Role, subject: &'static str| Case {
        subject,
        held: vec![held(role, ORGANISATION)],
        ..Case::of(action, role)
    };
    let for_another = |action: Action, role: Role, other: &'static str| {
        let held = vec![lent(role, ORGANISATION, other)];
        Case { held, acting_for: Some(other), ..Case::of(action, role) }
    };
    let decide = |subject| with(Action::GateDecide, Role::SteeringGroup, subject);
    let decide_for = |other| for_another(Action::GateDecide, Role::SteeringGroup, other);
    let program = |case: Case| Case { kind: CallerKind::Service, ..case };
    let audits = |mut case: Case| {
        case.held.push(held(Role::Auditor, ORGANISATION));
        case
    };
    let own_and_lent = |mut case: Case| {
        case.held.push(held(Role::SteeringGroup, ORGANISATION));
        case
    };
    block(
        "gate.decide by a member of the steering group who is",
        vec![
            ("nobody that the review names", decide("somebody"), cast),
            ("its submitter", decide(cast.submitter), cast),
            ("whom its submitter acted for", decide("lender"), Cast { submitted_for: "lender", ..cast }),
            ("acting for whom its submitter acted for", decide_for("lender"), Cast { submitted_for: "lender", ..cast }),
            ("the project's manager when it was submitted", decide(cast.manager_then), cast),
            ("the project's manager now", decide(cast.manager), cast),
            ("the project's owner", decide(cast.owner), cast),
            ("acting for another member", decide_for("member"), cast),
            ("acting for its submitter", decide_for(cast.submitter), cast),
            ("the same, and a member themselves", own_and_lent(decide_for(cast.submitter)), cast),
            ("acting for the manager when it was submitted", decide_for(cast.manager_then), cast),
            ("acting for the manager now", decide_for(cast.manager), cast),
            (
                "its submitter, acting for another member",
                Case { subject: cast.submitter, ..decide_for("member") },
                cast,
            ),
            (
                "nobody named, but its submitter has become the manager",
                decide("somebody"),
                Cast { manager: cast.submitter, ..cast },
            ),
            ("a program", program(decide("somebody")), cast),
            ("an auditor too", audits(decide("somebody")), cast),
            ("acting for a member, and an auditor", audits(decide_for("member")), cast),
            (
                "acting for who has lent nothing (told NOT_A_DELEGATE)",
                Case { acting_for: Some("member"), ..decide("somebody") },
                cast,
            ),
        ],
    );
    let submit = |subject| with(Action::GateSubmit, Role::PortfolioOffice, subject);
    block(
        "gate.submit by the portfolio office, who is",
        vec![
            ("nobody that the project names", submit("somebody"), cast),
            ("the project's manager", submit(cast.manager), cast),
            ("the project's owner", submit(cast.owner), cast),
            (
                "acting for the project's manager",
                for_another(Action::GateSubmit, Role::PortfolioOffice, cast.manager),
                cast,
            ),
        ],
    );
    let waive = |subject| with(Action::ConditionApproveWaiver, Role::SteeringGroup, subject);
    let waive_for = |other| for_another(Action::ConditionApproveWaiver, Role::SteeringGroup, other);
    block(
        "condition.approve_waiver by a member of the steering group who is",
        vec![
            ("nobody that the condition names", waive("somebody"), cast),
            ("who proposed it", waive(cast.proposer), cast),
            ("the condition's owner", waive(cast.condition_owner), cast),
            ("the project's manager", waive(cast.manager), cast),
            ("the project's owner", waive(cast.owner), cast),
            ("acting for who proposed it", waive_for(cast.proposer), cast),
            ("acting for the condition's owner", waive_for(cast.condition_owner), cast),
            ("acting for the project's manager", waive_for(cast.manager), cast),
            ("a program", program(waive("somebody")), cast),
        ],
    );
    let grade = |subject| with(Action::CriterionAssess, Role::AreaLeader, subject);
    block(
        "criterion.assess of a graded criterion by an area leader who is",
        vec![
            ("nobody that the project names", grade("somebody"), cast),
            ("the project's manager", grade(cast.manager), cast),
            (
                "acting for the project's manager",
                for_another(Action::CriterionAssess, Role::AreaLeader, cast.manager),
                cast,
            ),
            ("a program", program(grade("somebody")), cast),
        ],
    );
    let grant = |subject| with(Action::RoleGrantCreate, Role::Finance, subject);
    let until = |case: Case, day| Case { held: vec![Held { until: Some(day), ..case.held[0].clone() }], ..case };
    block(
        "role_grant.create of a role that one holds and may pass on",
        vec![
            ("to another", grant("somebody"), cast),
            ("to oneself", grant(cast.grantee), cast),
            (
                "for ever, of what one holds until the end of 2026",
                until(grant("somebody"), date!(2026 - 12 - 31)),
                cast,
            ),
            (
                "until the end of 2026, of what one holds until then",
                until(grant("somebody"), date!(2026 - 12 - 31)),
                Cast { until: Some(date!(2026 - 12 - 31)), ..cast },
            ),
            ("of what one has borrowed", for_another(Action::RoleGrantCreate, Role::Finance, "lender"), cast),
        ],
    );
    let approve = |subject| with(Action::DelegationApprove, Role::PortfolioOffice, subject);
    let approve_for = |other| for_another(Action::DelegationApprove, Role::PortfolioOffice, other);
    block(
        "delegation.approve by the portfolio office, who is",
        vec![
            ("nobody that the delegation names", approve("somebody"), cast),
            ("who lends", approve(cast.delegator), cast),
            ("who borrows", approve(cast.delegate), cast),
            ("acting for who lends", approve_for(cast.delegator), cast),
            ("acting for who borrows", approve_for(cast.delegate), cast),
        ],
    );
}

fn matrix(text: &mut String) {
    heading(
        text,
        "5. The authority matrix (I04)",
        "The rule in these examples: the steering group, up to 1,000,000.00 kr., risk at most MEDIUM, on the tracks START_SMALL\n\
         and STANDARD, with the answers GO and HOLD. Who asks is of the steering group, in the whole organisation.",
    );
    let rule = || covered(Role::SteeringGroup);
    let amount = |amount_ore| Deciding { amount_ore, ..rule() };
    let risk = |risk| Deciding { risk, ..rule() };
    let track = |track: &str| Deciding { track: track.to_owned(), ..rule() };
    let outcome = |outcome: &str| Deciding { outcome: outcome.to_owned(), ..rule() };
    let beyond = || Deciding { amount_ore: i64::MAX, risk: 3, track: "MANDATORY".to_owned(), ..outcome("ESCALATED") };
    let boards = || Deciding { mandate: Some(mandate(Role::ExecutiveBoard)), ..rule() };
    let none = |deciding: Deciding| Deciding { mandate: None, ..deciding };
    text.push('\n');
    let mut line = |what: &str, deciding: Deciding, held: Vec<Held>| {
        let case = Case { held, deciding: Some(deciding), ..Case::new(Action::GateDecide) };
        writeln!(text, "  {what:<62} {}", answer(case.ask(&Cast::default()))).unwrap();
    };
    let member = || vec![held(Role::SteeringGroup, ORGANISATION)];
    for (what, deciding) in [
        ("0 kr.", amount(0)),
        ("999,999.99 kr.", amount(99_999_999)),
        ("1,000,000.00 kr.: at the limit", amount(100_000_000)),
        ("1,000,000.01 kr.", amount(100_000_001)),
        ("less than nothing", amount(-1)),
        ("risk LOW", risk(1)),
        ("risk MEDIUM: at the limit", risk(2)),
        ("risk HIGH", risk(3)),
        ("a risk that is none", risk(0)),
        ("track START_SMALL", track("START_SMALL")),
        ("track STANDARD", track("STANDARD")),
        ("track MANDATORY", track("MANDATORY")),
        ("answer GO", outcome("GO")),
        ("answer HOLD", outcome("HOLD")),
        ("answer RECYCLE", outcome("RECYCLE")),
        ("answer KILL", outcome("KILL")),
        ("answer ESCALATED", outcome("ESCALATED")),
        ("answer ESCALATED, beyond amount, risk and track", beyond()),
        ("answer GO, and there is no rule", none(rule())),
        ("answer ESCALATED, and there is no rule", none(beyond())),
        ("answer GO, and the rule is the executive board's", boards()),
    ] {
        line(what, deciding, member());
    }
    text.push('\n');
    let mut line = |what: &str, deciding: Deciding, held: Vec<Held>| {
        let case = Case { held, deciding: Some(deciding), ..Case::new(Action::GateDecide) };
        writeln!(text, "  {what:<62} {}", answer(case.ask(&Cast::default()))).unwrap();
    };
    line("the role holds in the project's unit only", rule(), vec![held(Role::SteeringGroup, UNIT)]);
    line("the role holds on the project only", rule(), vec![held(Role::SteeringGroup, PROJECT)]);
    line("the role holds in a unit beside", rule(), vec![held(Role::SteeringGroup, SIBLING)]);
    line("the same, and escalates", outcome("ESCALATED"), vec![held(Role::SteeringGroup, SIBLING)]);
    line(
        "of the executive board instead, and the rule is theirs",
        boards(),
        vec![held(Role::ExecutiveBoard, ORGANISATION)],
    );
    line("of the executive board instead", rule(), vec![held(Role::ExecutiveBoard, ORGANISATION)]);
}

fn refusals(text: &mut String) {
    heading(
        text,
        "6. What is refused, and the reason that is told",
        "What is not seen is NOT_FOUND, whatever was tried. Who sees it and lacks what it takes is told ROLE_MISSING, and this\n\
         is what it takes:",
    );
    text.push('\n');
    for action in Action::iter() {
        let needs = match Case::new(action).ask(&Cast::default()) {
            Err(Error::RoleMissing { needs, .. }) => needs,
            _ => "nothing".to_owned(),
        };
        writeln!(text, "  {:<26} {needs}", action.name()).unwrap();
    }
    text.push_str("\nWho has what it takes, and is refused all the same, is told why:\n\n");
    let policies: PolicySet = gevinst::auth::policy::POLICIES.parse().unwrap();
    let mut forbids: Vec<_> = policies.policies().filter(|policy| policy.effect() == Effect::Forbid).collect();
    forbids.sort_by_key(|policy| policy.id().to_string()[6..].parse::<u32>().unwrap());
    for policy in forbids {
        let (id, reason) = (policy.annotation("id").unwrap(), policy.annotation("reason").unwrap());
        writeln!(text, "  {reason:<29} {id}").unwrap();
    }
    text.push_str("  POLICY_FORBIDS                what an operator has forbidden on top, by the policy's own id\n");
}
