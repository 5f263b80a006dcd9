//! What a project is and when it moves. Pure: no database, no transport.

use strum::{EnumString, FromRepr, IntoStaticStr};

use crate::error::{Error, Result};

/// Where a project is between its gates. Numbers and names are the contract's (a test holds them equal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum Stage {
    Idea = 1,
    Analysis = 2,
    Execution = 3,
    ExecutionScaled = 4,
    Realisation = 5,
    Closed = 6,
}

/// Whether a project moves. Numbers and names are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum Status {
    Active = 1,
    OnHold = 2,
    Stopped = 3,
}

/// What kind of undertaking it is. Numbers and names are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum ProjectClass {
    Efficiency = 1,
    SelfService = 2,
    WelfareTech = 3,
    Infrastructure = 4,
    Security = 5,
    Innovation = 6,
    Mandatory = 7,
    JointMunicipal = 8,
}

/// How much is ventured at once (S08). Numbers and names are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum Track {
    StartSmall = 1,
    Standard = 2,
    Mandatory = 3,
}

impl Track {
    /// S08: a project that says nothing of it starts small.
    pub fn registered(number: i32) -> Result<Self> {
        if number == 0 { Ok(Self::StartSmall) } else { Self::numbered(number) }
    }

    /// The track of that number.
    pub fn numbered(number: i32) -> Result<Self> {
        Self::from_repr(number).ok_or_else(|| Error::invalid("track", "is no track"))
    }
}

/// How big a project is (S20). Numbers and names are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, FromRepr, IntoStaticStr, strum::EnumIter)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[expect(missing_docs, reason = "the contract explains each")]
pub enum SizeClass {
    #[strum(serialize = "XS")]
    Xs = 1,
    S = 2,
    M = 3,
    L = 4,
    #[strum(serialize = "XL")]
    Xl = 5,
}

impl SizeClass {
    /// A project that says nothing of it is of medium size.
    pub fn registered(number: i32) -> Result<Self> {
        if number == 0 { Ok(Self::M) } else { Self::numbered(number) }
    }

    /// The size of that number.
    pub fn numbered(number: i32) -> Result<Self> {
        Self::from_repr(number).ok_or_else(|| Error::invalid("size_class", "is no size"))
    }
}

/// Where a project stands, as far as a rule asks.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Its stage.
    pub stage: Stage,
    /// Its status.
    pub status: Status,
    /// Whether it has been taken out of the lists.
    pub archived: bool,
}

impl Standing {
    /// A project goes to a gate only while it moves.
    pub fn must_move(self) -> Result<()> {
        match self {
            Self { archived: true, .. } => Err(not_active("ARCHIVED")),
            Self { status: Status::OnHold, .. } => Err(not_active("ON_HOLD")),
            Self { status: Status::Stopped, .. } => Err(not_active("STOPPED")),
            Self { stage: Stage::Closed, .. } => Err(not_active("CLOSED")),
            _ => Ok(()),
        }
    }

    /// A project gets new benefits until it is stopped or archived: also on hold, and after closure, for benefits
    /// outlive their project.
    pub fn must_accept_benefits(self) -> Result<()> {
        match self {
            Self { archived: true, .. } => Err(not_active("ARCHIVED")),
            Self { status: Status::Stopped, .. } => Err(not_active("STOPPED")),
            _ => Ok(()),
        }
    }

    /// Plans and assessments go on until the project is stopped, closed or archived: also on hold, which is when to think
    /// again.
    pub fn must_not_have_ended(self) -> Result<()> {
        match self {
            Self { archived: true, .. } => Err(not_active("ARCHIVED")),
            Self { status: Status::Stopped, .. } => Err(not_active("STOPPED")),
            Self { stage: Stage::Closed, .. } => Err(not_active("CLOSED")),
            _ => Ok(()),
        }
    }

    /// What was registered can be corrected until the project is archived.
    pub fn must_be_listed(self) -> Result<()> {
        if self.archived { Err(not_active("ARCHIVED")) } else { Ok(()) }
    }
}

fn not_active(status: &'static str) -> Error {
    Error::ProjectNotActive { status }
}

#[cfg(test)]
mod tests {
    use gevinst_proto::v1 as pb;
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn names_and_numbers_are_the_contracts() {
        for stage in Stage::iter() {
            let name = format!("STAGE_{}", <&str>::from(stage));
            assert_eq!(pb::Stage::from_str_name(&name).map(i32::from), Some(stage as i32), "{name}");
        }
        for status in Status::iter() {
            let name = format!("PROJECT_STATUS_{}", <&str>::from(status));
            assert_eq!(pb::ProjectStatus::from_str_name(&name).map(i32::from), Some(status as i32), "{name}");
        }
        for class in ProjectClass::iter() {
            let name = format!("PROJECT_CLASS_{}", <&str>::from(class));
            assert_eq!(pb::ProjectClass::from_str_name(&name).map(i32::from), Some(class as i32), "{name}");
        }
        for track in Track::iter() {
            let name = format!("TRACK_{}", <&str>::from(track));
            assert_eq!(pb::Track::from_str_name(&name).map(i32::from), Some(track as i32), "{name}");
        }
        for size in SizeClass::iter() {
            let name = format!("SIZE_CLASS_{}", <&str>::from(size));
            assert_eq!(pb::SizeClass::from_str_name(&name).map(i32::from), Some(size as i32), "{name}");
        }
    }

    #[test]
    fn track_of_a_registration_small_unless_it_says_otherwise_s08() {
        assert_eq!(Track::registered(0).unwrap(), Track::StartSmall);
        assert_eq!(Track::registered(3).unwrap(), Track::Mandatory);
        assert!(Track::registered(4).is_err() && Track::numbered(0).is_err());
    }

    #[test]
    fn standing_table() {
        use Stage::*;
        use Status::*;
        let cases = [
            // stage, status, archived: moves, has not ended, accepts benefits, is listed
            (Idea, Active, false, true, true, true, true),
            (Realisation, Active, false, true, true, true, true),
            (Closed, Active, false, false, false, true, true),
            (Analysis, OnHold, false, false, true, true, true),
            (Analysis, OnHold, true, false, false, false, false),
            (Analysis, Stopped, false, false, false, false, true),
            (Idea, Active, true, false, false, false, false),
        ];
        for (stage, status, archived, moves, goes_on, accepts, listed) in cases {
            let standing = Standing { stage, status, archived };
            assert_eq!(standing.must_move().is_ok(), moves, "{standing:?}");
            assert_eq!(standing.must_not_have_ended().is_ok(), goes_on, "{standing:?}");
            assert_eq!(standing.must_accept_benefits().is_ok(), accepts, "{standing:?}");
            assert_eq!(standing.must_be_listed().is_ok(), listed, "{standing:?}");
        }
    }
}
