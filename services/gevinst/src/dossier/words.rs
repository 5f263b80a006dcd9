//! What a reader is shown instead of names, øre and timestamps, in Danish and in English.

use gevinst_proto::v1 as pb;
use prost_types::Timestamp;
use time::{Date, OffsetDateTime, macros::format_description};

use Language::{Danish, English};

pub use crate::error::Language;
use crate::wire::in_denmark;

/// The same in Danish and in English.
pub type Words = (&'static str, &'static str);

impl From<pb::PaperLanguage> for Language {
    fn from(asked: pb::PaperLanguage) -> Self {
        match asked {
            pb::PaperLanguage::English => English,
            pb::PaperLanguage::Danish | pb::PaperLanguage::Unspecified => Danish,
        }
    }
}

impl Language {
    /// The one of both.
    pub fn of<'t>(self, (da, en): (&'t str, &'t str)) -> &'t str {
        match self {
            Danish => da,
            English => en,
        }
    }

    /// The one of both; nothing of what is not there.
    pub fn text(self, text: Option<&pb::LocalizedText>) -> &str {
        text.map_or("", |text| match self {
            Danish => &text.da,
            English => &text.en,
        })
    }

    /// An amount: `1.234.567,00 kr.`, `DKK 1,234,567.00`.
    pub fn kroner(self, ore: i64) -> String {
        let sign = if ore < 0 { "-" } else { "" };
        let ore = ore.unsigned_abs();
        let amount = self.number(&format!("{}.{:02}", ore / 100, ore % 100));
        match self {
            Danish => format!("{sign}{amount} kr."),
            English => format!("{sign}DKK {amount}"),
        }
    }

    /// A decimal as it is written by hand: `12345.5` is `12.345,5` or `12,345.5`.
    pub fn number(self, decimal: &str) -> String {
        let (thousands, point) = match self {
            Danish => ('.', ','),
            English => (',', '.'),
        };
        let (whole, fraction) = decimal.split_once('.').map_or((decimal, None), |(whole, rest)| (whole, Some(rest)));
        let digits = whole.trim_start_matches('-');
        let mut written = String::with_capacity(decimal.len() * 4 / 3 + 1);
        written.push_str(&whole[..whole.len() - digits.len()]);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                written.push(thousands);
            }
            written.push(digit);
        }
        if let Some(fraction) = fraction {
            written.push(point);
            written.push_str(fraction);
        }
        written
    }

    /// A day that the contract writes as 2026-01-31. What is none stays as it is.
    pub fn day(self, day: &str) -> String {
        let parsed = Date::parse(day, format_description!("[year]-[month]-[day]"));
        parsed.map_or_else(|_| day.to_owned(), |day| self.date(day))
    }

    /// A moment, by the clock in Denmark.
    pub fn moment(self, moment: Option<&Timestamp>) -> String {
        let moment = moment.and_then(|moment| OffsetDateTime::from_unix_timestamp(moment.seconds).ok());
        let Some(moment) = moment.map(in_denmark) else { return String::new() };
        let (day, hour, minute) = (self.date(moment.date()), moment.hour(), moment.minute());
        match self {
            Danish => format!("{day} kl. {hour:02}.{minute:02}"),
            English => format!("{day}, {hour:02}:{minute:02}"),
        }
    }

    fn date(self, date: Date) -> String {
        let dot = self.of((".", ""));
        format!("{}{dot} {} {}", date.day(), self.of(month(date.month())), date.year())
    }

    /// A subject, and whom they acted for.
    pub fn people(self, who: &str, acting_for: Option<&str>) -> String {
        match acting_for {
            Some(principal) => format!("{who} {} {principal}", self.of(("på vegne af", "on behalf of"))),
            None => who.to_owned(),
        }
    }

    /// Reasons to hold, as one list.
    pub fn hold_reasons(self, reasons: impl Iterator<Item = pb::HoldReason>) -> String {
        reasons.map(|reason| self.of(hold_reason(reason))).collect::<Vec<_>>().join("; ")
    }
}

fn month(month: time::Month) -> Words {
    use time::Month;
    match month {
        Month::January => ("januar", "January"),
        Month::February => ("februar", "February"),
        Month::March => ("marts", "March"),
        Month::April => ("april", "April"),
        Month::May => ("maj", "May"),
        Month::June => ("juni", "June"),
        Month::July => ("juli", "July"),
        Month::August => ("august", "August"),
        Month::September => ("september", "September"),
        Month::October => ("oktober", "October"),
        Month::November => ("november", "November"),
        Month::December => ("december", "December"),
    }
}

/// What nobody has said.
const UNSAID: Words = ("ikke angivet", "not stated");

/// A gate, by its code.
pub fn gate(gate: pb::GateCode) -> &'static str {
    match gate {
        pb::GateCode::Unspecified => "?",
        pb::GateCode::G1 => "G1",
        pb::GateCode::G2 => "G2",
        pb::GateCode::G3 => "G3",
        pb::GateCode::G4 => "G4",
        pb::GateCode::G5 => "G5",
    }
}

/// Where a project is.
pub fn stage(stage: pb::Stage) -> Words {
    match stage {
        pb::Stage::Unspecified => UNSAID,
        pb::Stage::Idea => ("Idé", "Idea"),
        pb::Stage::Analysis => ("Analyse", "Analysis"),
        pb::Stage::Execution => ("Gennemførelse", "Execution"),
        pb::Stage::ExecutionScaled => ("Gennemførelse, udvidet", "Execution, scaled"),
        pb::Stage::Realisation => ("Gevinstrealisering", "Realisation"),
        pb::Stage::Closed => ("Afsluttet", "Closed"),
    }
}

/// Whether a project moves.
pub fn status(status: pb::ProjectStatus) -> Words {
    match status {
        pb::ProjectStatus::Unspecified => UNSAID,
        pb::ProjectStatus::Active => ("i gang", "active"),
        pb::ProjectStatus::OnHold => ("på hold", "on hold"),
        pb::ProjectStatus::Stopped => ("stoppet", "stopped"),
    }
}

/// What kind of undertaking it is.
pub fn project_class(class: pb::ProjectClass) -> Words {
    match class {
        pb::ProjectClass::Unspecified => UNSAID,
        pb::ProjectClass::Efficiency => ("Effektivisering", "Efficiency"),
        pb::ProjectClass::SelfService => ("Selvbetjening", "Self-service"),
        pb::ProjectClass::WelfareTech => ("Velfærdsteknologi", "Welfare technology"),
        pb::ProjectClass::Infrastructure => ("Infrastruktur", "Infrastructure"),
        pb::ProjectClass::Security => ("Sikkerhed", "Security"),
        pb::ProjectClass::Innovation => ("Innovation", "Innovation"),
        pb::ProjectClass::Mandatory => ("Krævet af lov eller kontrakt", "Demanded by law or contract"),
        pb::ProjectClass::JointMunicipal => ("Fælles med andre kommuner", "Shared with other municipalities"),
    }
}

/// How much is ventured at once.
pub fn track(track: pb::Track) -> Words {
    match track {
        pb::Track::Unspecified => UNSAID,
        pb::Track::StartSmall => ("Start småt", "Start small"),
        pb::Track::Standard => ("Standard", "Standard"),
        pb::Track::Mandatory => ("Krævet af lov eller kontrakt", "Demanded by law or contract"),
    }
}

/// How big it is.
pub fn size(size: pb::SizeClass) -> Words {
    match size {
        pb::SizeClass::Unspecified => UNSAID,
        pb::SizeClass::Xs => ("Meget lille (XS)", "Very small (XS)"),
        pb::SizeClass::S => ("Lille (S)", "Small (S)"),
        pb::SizeClass::M => ("Mellem (M)", "Medium (M)"),
        pb::SizeClass::L => ("Stor (L)", "Large (L)"),
        pb::SizeClass::Xl => ("Meget stor (XL)", "Very large (XL)"),
    }
}

/// How risky it is to go on.
pub fn risk(risk: pb::RiskClass) -> Words {
    match risk {
        pb::RiskClass::Unspecified => ("Ikke vurderet; regnes som høj", "Not assessed; taken as high"),
        pb::RiskClass::Low => ("Lav", "Low"),
        pb::RiskClass::Medium => ("Mellem", "Medium"),
        pb::RiskClass::High => ("Høj", "High"),
    }
}

/// A gate's answer.
pub fn outcome(outcome: pb::GateOutcome) -> Words {
    match outcome {
        pb::GateOutcome::Unspecified => ("Ikke besluttet", "Not decided"),
        pb::GateOutcome::Go => ("Ja: videre", "Yes: go on"),
        pb::GateOutcome::Hold => ("Ikke nu: på hold", "Not now: hold"),
        pb::GateOutcome::Recycle => ("Tilbage til bearbejdning", "Back to be reworked"),
        pb::GateOutcome::Kill => ("Nej: stop", "No: stop"),
        pb::GateOutcome::Escalated => ("Sendt videre til et højere beslutningsniveau", "Passed on to higher authority"),
        pb::GateOutcome::GoWithConditions => ("Ja, på betingelser", "Yes, upon conditions"),
    }
}

/// Why not now.
pub fn hold_reason(reason: pb::HoldReason) -> Words {
    match reason {
        pb::HoldReason::Unspecified => UNSAID,
        pb::HoldReason::ChangeLoad => {
            ("dagligdagen kan ikke bære forandringen nu", "daily work cannot carry the change now")
        }
        pb::HoldReason::Funding => ("pengene er der ikke endnu", "the money is not there yet"),
        pb::HoldReason::Capacity => ("folkene er der ikke endnu", "the people are not there yet"),
        pb::HoldReason::Dependency => ("noget andet skal komme først", "something else has to come first"),
        pb::HoldReason::Legal => ("et juridisk spørgsmål er åbent", "a question of law is open"),
        pb::HoldReason::Uncertainty => ("vi ved for lidt", "too little is known"),
        pb::HoldReason::Other => ("en anden grund, sagt i begrundelsen", "another reason, said in the text"),
    }
}

/// How much a criterion weighs.
pub fn strength(strength: pb::CriterionStrength) -> Words {
    match strength {
        pb::CriterionStrength::Unspecified => UNSAID,
        pb::CriterionStrength::Must => ("skal", "must"),
        pb::CriterionStrength::Should => ("bør", "should"),
    }
}

/// What a criterion serves.
pub fn principle(principle: pb::Principle) -> Words {
    match principle {
        // What the law asks for serves no principle of a model.
        pb::Principle::Unspecified => ("", ""),
        pb::Principle::Involve => ("Inddrag dem, det berører", "Involve those affected"),
        pb::Principle::StartSmall => ("Tænk stort, start småt", "Think big, start small"),
        pb::Principle::UsableAndSecure => ("Brugervenligt og sikkert fra start", "Usable and secure from the start"),
        pb::Principle::GiveValue => ("Giv altid værdi", "Always give value"),
    }
}

/// Where a condition is.
pub fn condition_state(state: pb::ConditionState) -> Words {
    match state {
        pb::ConditionState::Unspecified => UNSAID,
        pb::ConditionState::Open => ("åben", "open"),
        pb::ConditionState::Met => ("opfyldt", "met"),
        pb::ConditionState::Waived => ("frafaldet", "waived"),
        pb::ConditionState::Lapsed => ("frist overskredet", "lapsed"),
        pb::ConditionState::Superseded => ("bortfaldet med beslutningen", "gone with the decision"),
    }
}

/// Where an increment is.
pub fn increment_state(state: pb::IncrementState) -> Words {
    match state {
        pb::IncrementState::Unspecified => UNSAID,
        pb::IncrementState::Planned => ("planlagt", "planned"),
        pb::IncrementState::Done => ("gjort", "done"),
        pb::IncrementState::Abandoned => ("opgivet", "abandoned"),
    }
}

/// What money may be spent on.
pub fn purpose(purpose: pb::SpendPurpose) -> Words {
    match purpose {
        pb::SpendPurpose::Unspecified => UNSAID,
        pb::SpendPurpose::Experiments => ("kun til prøvehandlinger", "for experiments only"),
        pb::SpendPurpose::General => ("til hele projektet", "for the whole project"),
    }
}

/// Where money comes from.
pub fn appropriation_basis(basis: pb::AppropriationBasis) -> Words {
    match basis {
        pb::AppropriationBasis::Unspecified => UNSAID,
        pb::AppropriationBasis::CouncilDecision => ("bevilling", "appropriation"),
        pb::AppropriationBasis::ExistingFrame => ("ramme i budgettet", "frame in the budget"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_written_as_either_language_writes_them() {
        for (ore, da, en) in [
            (0, "0,00 kr.", "DKK 0.00"),
            (5, "0,05 kr.", "DKK 0.05"),
            (99_999, "999,99 kr.", "DKK 999.99"),
            (123_456_700, "1.234.567,00 kr.", "DKK 1,234,567.00"),
            (-100_000, "-1.000,00 kr.", "-DKK 1,000.00"),
            (i64::MIN, "-92.233.720.368.547.758,08 kr.", "-DKK 92,233,720,368,547,758.08"),
        ] {
            assert_eq!((Danish.kroner(ore).as_str(), English.kroner(ore).as_str()), (da, en));
        }
        for (decimal, da, en) in
            [("35.5", "35,5", "35.5"), ("-12345", "-12.345", "-12,345"), ("100", "100", "100"), ("", "", "")]
        {
            assert_eq!((Danish.number(decimal).as_str(), English.number(decimal).as_str()), (da, en));
        }
    }

    #[test]
    fn days_and_moments_written_out_by_the_clock_in_denmark() {
        assert_eq!(
            (Danish.day("2026-03-01"), English.day("2026-03-01")),
            ("1. marts 2026".into(), "1 March 2026".into())
        );
        assert_eq!(Danish.day("snart"), "snart");
        // 22:30 UTC on the last day of June is after midnight in Denmark.
        let moment = Timestamp { seconds: 1_782_858_600, nanos: 0 };
        assert_eq!(Danish.moment(Some(&moment)), "1. juli 2026 kl. 00.30");
        assert_eq!(English.moment(Some(&moment)), "1 July 2026, 00:30");
        assert_eq!(Danish.moment(None), "");
    }
}
