//! `tests/golden/authorization.txt`: who may do what where, for somebody who reads no code. Asked of the engine that the
//! service asks, of objects and holders made here; a policy that changes an answer changes a line of the file.

mod cast;
mod layout;

use std::{collections::BTreeSet, fs, path::Path};

use gevinst::auth::{Action, CallerKind, Role, policy::Deciding};
use strum::IntoEnumIterator;

use self::cast::{About, Case, Cast, FOREIGN, PLACES, about, held, lent};

/// Whether it changes something, by its name.
fn writes(action: Action) -> bool {
    !(action.name().ends_with(".read") || action.name().ends_with(".list"))
}

/// What everybody with a role anywhere in the organisation may read.
const FOR_ALL: [Action; 4] =
    [Action::OrganisationRead, Action::OrgUnitRead, Action::PortfolioRead, Action::AuthorityRuleRead];

/// Lines that only one of two texts has, with those around them.
fn difference(kept: &str, told: &str) -> String {
    let (kept, told): (Vec<&str>, Vec<&str>) = (kept.lines().collect(), told.lines().collect());
    let begins = kept.iter().zip(&told).take_while(|(kept, told)| kept == told).count();
    let (kept, told) = (&kept[begins..], &told[begins..]);
    let ends = kept.iter().rev().zip(told.iter().rev()).take_while(|(kept, told)| kept == told).count();
    let (gone, come) = (&kept[..kept.len() - ends], &told[..told.len() - ends]);
    let gone = gone.iter().map(|line| format!("- {line}"));
    let lines: Vec<String> = gone.chain(come.iter().map(|line| format!("+ {line}"))).collect();
    format!("from line {}:\n{}", begins + 1, lines.join("\n"))
}

#[test]
fn grid_is_what_the_policies_answer() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/authorization.txt");
    let told = layout::grid();
    if std::env::var_os("GEVINST_TEST_UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &told).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == told,
        "tests/golden/authorization.txt is not what the policies answer: GEVINST_TEST_UPDATE=1 tests/run -- grid:: \
         writes it anew; look at what changed before you commit it, {}",
        difference(&kept, &told),
    );
}

#[test]
fn grid_names_every_action_and_every_role() {
    let told = layout::grid();
    for action in Action::iter() {
        assert!(
            told.lines().filter(|line| line.split_whitespace().next() == Some(action.name())).count() >= 2,
            "{action:?}"
        );
    }
    for role in Role::iter() {
        assert!(told.contains(&format!("{} ", layout::short(role))), "{role:?}");
        assert!(told.contains(role.name()), "{role:?}");
    }
}

#[test]
fn nobody_may_do_anything() {
    let cast = Cast::default();
    for action in Action::iter() {
        assert!(!Case::new(action).is_allowed(&cast), "{action:?}");
        assert_eq!(Case::new(action).ask(&cast).err().unwrap().reason_name(), "ROLE_MISSING", "{action:?}");
    }
}

#[test]
fn another_organisations_object_is_nobodys_whatever_they_hold() {
    // Their object, with their people; and whoever asks is all of these, and holds every role in every place of both.
    let everything = Cast::default().everything();
    for action in
        Action::iter().filter(|action| matches!(about(*action), About::Project | About::Review | About::Benefit))
    {
        let everything: Vec<_> =
            everything.iter().filter(|held| held.role != Role::Auditor || !writes(action)).cloned().collect();
        for subject in Cast::default().people() {
            let case = Case { subject, held: everything.clone(), ..Case::new(action) };
            assert!(!case.is_allowed(&Cast { organisation: FOREIGN, ..Cast::default() }), "{action:?} by {subject}");
        }
        // A nomination is answered by the nominee, and nobody else; some things are done by the clock alone.
        let [somebody, nominee] = [cast::SOMEBODY, Cast::default().nominee].map(|subject| Case {
            subject,
            held: everything.clone(),
            ..Case::new(action)
        });
        let at_home = [somebody, nominee, Case { kind: CallerKind::System, ..Case::new(action) }];
        assert!(at_home.iter().any(|own| own.is_allowed(&Cast::default())), "{action:?} at home");
    }
}

#[test]
fn role_beside_the_object_gives_nothing() {
    let cast = Cast::default();
    for action in Action::iter().filter(|action| !FOR_ALL.contains(action)) {
        for role in Role::iter() {
            for place in [cast::SIBLING, cast::OTHER_PORTFOLIO, cast::OTHER_PROJECT, FOREIGN] {
                let case = Case { held: vec![held(role, place)], ..Case::of(action, role) };
                assert!(!case.is_allowed(&cast), "{action:?} by {role:?}");
            }
        }
    }
}

#[test]
fn auditor_changes_nothing_whatever_else_they_are() {
    let cast = Cast::default();
    for action in Action::iter().filter(|action| writes(*action)) {
        for subject in cast.people() {
            for acting_for in [None, Some("lender")] {
                let mut everything = cast.everything();
                for held in everything.iter_mut().filter(|held| held.role != Role::Auditor) {
                    held.lent_by = acting_for.map(str::to_owned);
                }
                let case = Case { subject, held: everything, acting_for, ..Case::new(action) };
                let refusal = case.ask(&cast).err().unwrap();
                assert!(["AUDITOR_READS_ONLY", "ROLE_MISSING"].contains(&refusal.reason_name()), "{refusal:?}");
            }
        }
    }
}

#[test]
fn role_that_holds_above_holds_below() {
    let cast = Cast::default();
    for action in Action::iter() {
        for role in Role::iter() {
            let at = |place| Case { held: vec![held(role, place)], ..Case::of(action, role) }.is_allowed(&cast);
            let [organisation, above, unit, portfolio, project] = PLACES.map(|(_, place)| at(place));
            assert!(organisation || !(above || unit || portfolio || project), "{action:?} by {role:?}");
            assert!(above || !unit, "{action:?} by {role:?}");
        }
    }
}

#[test]
fn every_role_reads_what_it_covers_and_who_changes_an_object_reads_it() {
    let cast = Cast::default();
    for action in Action::iter() {
        let reading = match about(action) {
            About::Project => Action::ProjectRead,
            About::Review => Action::GateRead,
            About::Condition => Action::ConditionRead,
            About::Benefit => Action::BenefitRead,
            _ => continue,
        };
        // Also a role that is lent counts for reading, in its substitute's own name.
        for (role, lender) in Role::iter().flat_map(|role| [(role, None), (role, Some("lender"))]) {
            for (_, place) in PLACES {
                let there = lender.map_or(held(role, place), |lender| lent(role, place, lender));
                let read = Case { held: vec![there], deciding: None, ..Case::of(reading, role) };
                assert!(read.is_allowed(&cast), "{role:?} reads");
            }
        }
        for subject in cast.people() {
            let change = Case { subject, ..Case::new(action) };
            let read = Case { subject, ..Case::new(reading) };
            // Who submitted or drafted, and has since lost the role to, may still take it back.
            let takes_back = action == Action::GateWithdraw && subject == cast.submitter
                || [Action::GateWithdraw, Action::GateRedraft].contains(&action) && subject == cast.drafter;
            assert!(read.is_allowed(&cast) || takes_back || !change.is_allowed(&cast), "{action:?} by {subject}");
        }
    }
}

#[test]
fn program_decides_nothing_and_gives_no_authority() {
    let cast = Cast::default();
    let everything: Vec<_> = cast.everything().into_iter().filter(|held| held.role != Role::Auditor).collect();
    let refused = |action: Action| {
        let case = Case { held: everything.clone(), kind: CallerKind::Service, ..Case::new(action) };
        case.ask(&cast).err().map(|error| error.reason_name())
    };
    let personal: BTreeSet<&str> =
        Action::iter().filter(|action| refused(*action) == Some("PERSON_REQUIRED")).map(Action::name).collect();
    let expected = [
        "authority_rule.end",
        "authority_rule.set",
        "benefit.approve_owner",
        "benefit.review",
        "benefit_policy.set",
        "condition.approve_waiver",
        "criterion.assess",
        "delegation.approve",
        "delegation.end",
        "direction.change",
        "gate.decide",
        "gate_model.migrate",
        "gate_model.publish",
        "role_grant.create",
        "role_grant.revoke",
        "strategy_goal.create",
        "strategy_goal.end",
    ];
    assert_eq!(personal, BTreeSet::from(expected));
    // Not theirs to lend, and not theirs to answer: what it takes is to hold the grant, or to be nominated, which a program
    // can.
    for (subject, action) in [
        (cast.delegator, Action::DelegationPropose),
        (cast.nominee, Action::BenefitAcceptOwnership),
        (cast.nominee, Action::BenefitDeclineOwnership),
    ] {
        let own = Case { subject, kind: CallerKind::Service, ..Case::new(action) };
        assert_eq!(own.ask(&cast).err().unwrap().reason_name(), "PERSON_REQUIRED", "{action:?}");
    }
}

#[test]
fn escalation_needs_the_role_and_no_mandate() {
    let cast = Cast::default();
    for role in Role::iter() {
        let deciding = Some(Deciding { outcome: "ESCALATED".to_owned(), ..Deciding::default() });
        let case = Case { held: vec![held(role, cast::ORGANISATION)], deciding, ..Case::new(Action::GateDecide) };
        assert_eq!(case.is_allowed(&cast), matches!(role, Role::SteeringGroup | Role::ExecutiveBoard), "{role:?}");
    }
}
