//! Who can be a benefit owner (I10), and what becomes of being one (I11). Pure.

use strum::{EnumString, FromRepr, IntoStaticStr};

/// How far a benefit has an owner who answers for it. Numbers and names are the contract's (a test holds them equal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum OwnerState {
    Nominated = 1,
    Accepted = 2,
    Declined = 3,
    Orphaned = 4,
}

/// Where somebody's ownership is. Numbers and names are the contract's (a test holds them equal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum OwnershipState {
    Nominated = 1,
    AwaitingApproval = 2,
    Accepted = 3,
    Declined = 4,
    Superseded = 5,
    HandedOver = 6,
    Orphaned = 7,
}

/// Why somebody can be a benefit owner, or cannot. Numbers and names are the contract's (a test holds them equal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum Reason {
    LeadsAffectedArea = 1,
    LeadsNoAffectedUnit = 2,
    UnitNotInForce = 3,
    NoOperationalArea = 4,
    ManagesProject = 5,
}

/// A unit, as far as I10 asks of it.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    /// Who leads it.
    pub leader: Option<&'a str>,
    /// Whether it is an operational area.
    pub is_operational_area: bool,
    /// Whether it is in force today.
    pub in_force: bool,
}

/// I10: what a subject's leadership of units says, and which of them says it. The units come from the top down to one that
/// the project affects; so does it every operational area on the way.
pub fn leadership(subject: &str, units: &[Unit<'_>]) -> (Reason, usize) {
    let led = |at: &usize| units[*at].leader == Some(subject);
    let in_force = |at: &usize| units[*at].in_force;
    let nearest = (0..units.len()).rev();
    let area = nearest.clone().find(|at| in_force(at) && units[*at].is_operational_area);
    let Some(of_any) = nearest.clone().find(led) else {
        return (Reason::LeadsNoAffectedUnit, units.len().saturating_sub(1));
    };
    let Some(of_today) = nearest.clone().filter(led).find(in_force) else {
        return (Reason::UnitNotInForce, of_any);
    };
    match nearest.filter(led).filter(in_force).find(|at| area.is_some_and(|area| *at <= area)) {
        Some(at) => (Reason::LeadsAffectedArea, at),
        None => (Reason::NoOperationalArea, of_today),
    }
}

/// I10: whether an exception that was approved for the one covers the other. It was approved for somebody who leads no
/// affected operation, for whatever reason, for the project's manager, or for both; not for what they became later.
pub fn is_covered(approved: &[Reason], found: &[Reason]) -> bool {
    let leads = |reasons: &[Reason]| reasons.contains(&Reason::LeadsAffectedArea);
    let manages = |reasons: &[Reason]| reasons.contains(&Reason::ManagesProject);
    (leads(found) || !leads(approved)) && (!manages(found) || manages(approved))
}

/// I11: to whom a benefit goes whose owner has departed: the leader of the nearest unit, upwards from an affected one,
/// that is in force and that somebody else leads.
pub fn escalated_to<'a>(owner: &str, units: &[Unit<'a>]) -> Option<&'a str> {
    units.iter().rev().filter(|unit| unit.in_force).filter_map(|unit| unit.leader).find(|leader| *leader != owner)
}

#[cfg(test)]
mod tests {
    use gevinst_proto::v1 as pb;
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn names_and_numbers_are_the_contracts() {
        for state in OwnerState::iter() {
            let name = format!("BENEFIT_OWNER_STATE_{}", <&str>::from(state));
            assert_eq!(pb::BenefitOwnerState::from_str_name(&name).map(i32::from), Some(state as i32), "{name}");
        }
        for state in OwnershipState::iter() {
            let name = format!("BENEFIT_OWNERSHIP_STATE_{}", <&str>::from(state));
            assert_eq!(pb::BenefitOwnershipState::from_str_name(&name).map(i32::from), Some(state as i32), "{name}");
        }
        for reason in Reason::iter() {
            let name = format!("BENEFIT_OWNER_REASON_CODE_{}", <&str>::from(reason));
            assert_eq!(pb::BenefitOwnerReasonCode::from_str_name(&name).map(i32::from), Some(reason as i32), "{name}");
        }
    }

    #[test]
    fn escalated_to_table_i11() {
        for (leaders, to) in [
            (&[Some("director"), Some("leader")][..], Some("leader")),
            (&[Some("director"), Some("owner")], Some("director")),
            (&[Some("director"), None, Some("owner")], Some("director")),
            (&[Some("owner"), Some("owner")], None),
            (&[None], None),
            (&[], None),
        ] {
            let unit =
                |leader: &Option<&'static str>| Unit { leader: *leader, is_operational_area: true, in_force: true };
            let units: Vec<_> = leaders.iter().map(unit).collect();
            assert_eq!(escalated_to("owner", &units), to, "{leaders:?}");
            let ended: Vec<_> = units.into_iter().map(|unit| Unit { in_force: false, ..unit }).collect();
            assert_eq!(escalated_to("owner", &ended), None, "{leaders:?}");
        }
    }

    #[test]
    fn leadership_table_i10() {
        use Reason::{LeadsAffectedArea, LeadsNoAffectedUnit, NoOperationalArea, UnitNotInForce};
        // A letter a unit, from the top down: led by the subject (l) or another (o), upper case for an operational area,
        // and a dot after it where it is not in force.
        for (units, reason, at) in [
            ("oL", LeadsAffectedArea, 1),
            ("LO", LeadsAffectedArea, 0),
            ("lO", LeadsAffectedArea, 0),
            ("LL", LeadsAffectedArea, 1),
            ("oLo", LeadsAffectedArea, 1),
            ("Ll", LeadsAffectedArea, 0),
            ("Ol", NoOperationalArea, 1),
            ("ol", NoOperationalArea, 1),
            ("lo", NoOperationalArea, 0),
            ("lO.", NoOperationalArea, 0),
            ("OO", LeadsNoAffectedUnit, 1),
            ("O", LeadsNoAffectedUnit, 0),
            ("OL.", UnitNotInForce, 1),
            ("L.O", UnitNotInForce, 0),
            ("LL.", LeadsAffectedArea, 0),
            ("", LeadsNoAffectedUnit, 0),
        ] {
            let mut read = Vec::<Unit<'_>>::new();
            for letter in units.chars() {
                match letter {
                    '.' => read.last_mut().unwrap().in_force = false,
                    _ => read.push(Unit {
                        leader: Some(if letter.eq_ignore_ascii_case(&'l') { "leader" } else { "other" }),
                        is_operational_area: letter.is_ascii_uppercase(),
                        in_force: true,
                    }),
                }
            }
            assert_eq!(leadership("leader", &read), (reason, at), "{units}");
        }
    }
}
