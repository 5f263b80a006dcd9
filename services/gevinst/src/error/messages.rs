//! What a person reads of each failure, in Danish and English.

use gevinst_proto::v1::ErrorReason;

use super::{Error, Language};

impl Error {
    /// What a person reads. No message names anything that the caller did not send or may not see.
    pub fn message(&self, language: Language) -> String {
        let (da, en): (String, String) = match self {
            Self::TokenMissing => (
                "Kaldet mangler et adgangstoken: send `authorization: Bearer …`.".into(),
                "The call carries no token: send `authorization: Bearer …`.".into(),
            ),
            Self::TokenInvalid => ("Adgangstokenet kan ikke godkendes.".into(), "The token cannot be accepted.".into()),
            Self::TokenExpired => {
                ("Adgangstokenet er udløbet: hent et nyt.".into(), "The token has expired: fetch a new one.".into())
            }
            Self::TokenNotBound => (
                "Adgangstokenet skal komme over en forbindelse med det certifikat, som det er bundet til.".into(),
                "The token must come over a connection that shows the certificate it is bound to.".into(),
            ),
            Self::KeysUnavailable => (
                "Udstederens nøgler kan ikke hentes lige nu: prøv igen.".into(),
                "The issuer's keys cannot be fetched right now: retry.".into(),
            ),
            Self::RoleMissing { action, needs, needs_da } => (
                format!("Du har ikke rollen til {action}; det kræver {needs_da}."),
                format!("You do not hold the role for {action}; it needs {needs}."),
            ),
            Self::TokenRevoked => (
                "Adgangen er spærret i organisationen: henvend dig til porteføljekontoret.".into(),
                "The organisation has revoked this access: turn to its portfolio office.".into(),
            ),
            Self::Forbidden { action, policy, reason } => forbidden(action, policy, *reason),
            Self::NotADelegate { of } => (
                format!("{of} har ikke overdraget dig en rolle, der gælder her og nu."),
                format!("{of} has lent you no role that counts here and now."),
            ),
            Self::AlreadyEnded { kind } => (
                format!("{kind} er ophørt og kan ikke ændres."),
                format!("The {kind} has ended and cannot be changed."),
            ),
            Self::AlreadyApproved => {
                ("Overdragelsen er allerede godkendt.".into(), "The delegation has been approved before.".into())
            }
            Self::AlreadyVoted => (
                "Du, eller den, du handler for, har allerede svaret ved denne port (I03).".into(),
                "You, or the one you act for, have answered at this gate before (I03).".into(),
            ),
            Self::VotesDiffer { outcome } => (
                format!(
                    "Et tidligere svar med udfaldet {outcome} nævnte andre betingelser eller grunde: nævn de samme eller ingen."
                ),
                format!("An earlier answer of {outcome} named other conditions or reasons: name the same, or none."),
            ),
            Self::FieldInvalid(fields) => {
                let names: Vec<&str> = fields.iter().map(|(field, _)| field.as_str()).collect();
                let names = names.join(", ");
                (format!("Ret felterne: {names}."), format!("Mend these fields: {names}."))
            }
            Self::FilterInvalid(why) => {
                (format!("Filteret kan ikke bruges: {why}."), format!("The filter cannot be used: {why}."))
            }
            Self::OrderInvalid(why) => {
                (format!("Sorteringen kan ikke bruges: {why}."), format!("The order cannot be used: {why}."))
            }
            Self::PageTokenInvalid => (
                "Sidemærket hører ikke til denne liste: begynd forfra uden det.".into(),
                "The page token does not belong to this list: start again without it.".into(),
            ),
            Self::UpdateMaskInvalid(why) => {
                (format!("Felterne kan ikke ændres: {why}."), format!("These fields cannot be changed: {why}."))
            }
            Self::PersonalNumberRefused(field) => (
                format!("Feltet {field} ligner et CPR-nummer: fjern det, for her må ingen stå."),
                format!("The field {field} looks like a personal number (CPR): remove it, none may be kept here."),
            ),
            Self::IdempotencyKeyInvalid => (
                "idempotency-key skal være 1 til 128 synlige ASCII-tegn.".into(),
                "idempotency-key must be 1 to 128 printable ASCII characters.".into(),
            ),
            Self::MessageInvalid(why) => {
                (format!("Beskeden kan ikke læses: {why}"), format!("The message cannot be read: {why}"))
            }
            Self::NotFound { kind, id } => (
                format!("Der findes ingen {kind} {id} i organisationen."),
                format!("There is no {kind} {id} in this organisation."),
            ),
            Self::OrganisationUnknown => {
                ("Organisationen findes ikke.".into(), "There is no such organisation.".into())
            }
            Self::EtagStale => (
                "Objektet er ændret, siden du læste det: læs igen, og tag stilling på ny.".into(),
                "The object has changed since you read it: read again and decide again.".into(),
            ),
            Self::IdempotencyKeyReused => (
                "Denne idempotency-key er brugt til en anden forespørgsel: vælg en ny.".into(),
                "This idempotency-key was used for another request: choose a new one.".into(),
            ),
            Self::ProjectNotActive { status } => {
                (format!("Projektet er ikke aktivt: {status}."), format!("The project is not active: {status}."))
            }
            Self::ProjectNotOnHold => {
                ("Kun et projekt på hold kan genoptages.".into(), "Only a project on hold can be resumed.".into())
            }
            Self::GateNotNext { gate, next } => (
                format!("Projektets næste port er {next}, ikke {gate} (I01)."),
                format!("The project's next gate is {next}, not {gate} (I01)."),
            ),
            Self::ReviewAlreadyOpen => (
                "Projektet har en portgennemgang, der venter på beslutning: afgør den, eller træk den tilbage.".into(),
                "The project has a gate review that awaits its decision: decide or withdraw it first.".into(),
            ),
            Self::ReviewNotOpen { state } => (
                format!("Portgennemgangen er afsluttet ({state}) og kan ikke ændres."),
                format!("The gate review has ended ({state}) and cannot be changed."),
            ),
            Self::CriteriaNotMet { criteria } => (
                format!(
                    "Portens skal-krav er ikke opfyldt: {criteria} (I02). Projektets parathed (:readiness) siger, hvad der mangler."
                ),
                format!(
                    "Must criteria of the gate are not met: {criteria} (I02). The project's readiness says what is missing."
                ),
            ),
            Self::AppropriationMissing { missing_ore } => (
                format!("Der mangler en bevilling eller ramme på {} (I05).", Language::Danish.kroner(*missing_ore)),
                format!("An appropriation or frame of {} is missing (I05).", Language::English.kroner(*missing_ore)),
            ),
            Self::SpendExceedsAuthority { left_ore } => (
                format!(
                    "Portene har ikke frigivet så meget til formålet: {} er tilbage (I05).",
                    Language::Danish.kroner(*left_ore)
                ),
                format!("Gates have not released that much for it: {} is left (I05).", Language::English.kroner(*left_ore)),
            ),
            Self::LessonMissing => (
                "Et projekt stoppes eller lukkes først, når mindst én læring er offentliggjort (I20).".into(),
                "A project is stopped or closed only once it has published a lesson (I20).".into(),
            ),
            Self::OutcomeNotAllowed { outcome, track } => (
                format!("Et projekt på sporet {track} kan ikke få udfaldet {outcome}."),
                format!("A project on the track {track} cannot be answered {outcome}."),
            ),
            Self::ConditionNotOpen { state } => {
                (format!("Betingelsen er afgjort ({state})."), format!("The condition is settled ({state})."))
            }
            Self::WaiverNotProposed => (
                "Ingen har foreslået at frafalde betingelsen.".into(),
                "Nobody has proposed to waive the condition.".into(),
            ),
            Self::ConditionLapsed => (
                "Fristen for en blokerende betingelse er overskredet: opfyld eller frafald den, før projektet genoptages.".into(),
                "A blocking condition has lapsed: meet or waive it before the project is resumed.".into(),
            ),
            Self::ReviewNotDraft { state } => (
                format!("Portgennemgangen er ikke længere en kladde ({state})."),
                format!("The gate review is no draft any more ({state})."),
            ),
            Self::ReviewNotLatest => (
                "Kun projektets seneste beslutning kan rettes.".into(),
                "Only the project's latest decision can be corrected.".into(),
            ),
            Self::BaselineExists => (
                "Projektet har et udgangspunkt: skift retning i stedet, så begge bevares.".into(),
                "The project has a baseline: change direction instead, and both are kept.".into(),
            ),
            Self::BaselineMissing => (
                "Projektet har intet udgangspunkt at skifte retning fra: sæt det først.".into(),
                "The project has no baseline to change from: set it first.".into(),
            ),
            Self::IncrementTooLarge { max_ore, max_days } => (
                format!(
                    "Trinnet er større, end projektets spor tillader: højst {} og {max_days} dage; 0 er uden loft (S09).",
                    Language::Danish.kroner(*max_ore)
                ),
                format!(
                    "The step is larger than the project's track allows: at most {} and {max_days} days; 0 is no cap (S09).",
                    Language::English.kroner(*max_ore)
                ),
            ),
            Self::StageNotInModel { stage } => (
                format!("Portmodellen har ingen port ud af fasen {stage} for et projekt af den størrelse."),
                format!("The gate model has no gate that leads on from the stage {stage} for a project of that size."),
            ),
            Self::ReviewNotSubmitted => {
                ("En kladde har intet fastfrosset beslutningsgrundlag.".into(), "A draft has no frozen basis.".into())
            }
            Self::TooMany { kind } => (
                format!("Projektet har så mange, som det kan have ({kind})."),
                format!("The project has as many as it can have ({kind})."),
            ),
            Self::BenefitOwnerNotEligible { da, en, .. } => (
                format!("Den udpegede kan kun blive gevinstansvarlig ved en godkendt undtagelse (I10). {da}"),
                format!("The nominee can be a benefit owner by an approved exception only (I10). {en}"),
            ),
            Self::AlreadyBenefitOwner => (
                "Den udpegede er allerede gevinstansvarlig og har sagt ja.".into(),
                "The nominee is the benefit's owner already, and has accepted.".into(),
            ),
            Self::NominationNotOpen => (
                "Ingen udpegning venter på dette svar: læs gevinsten igen.".into(),
                "No nomination waits for this answer: read the benefit again.".into(),
            ),
            Self::ExceptionNotApproved => (
                "Undtagelsen for den udpegede er endnu ikke godkendt.".into(),
                "The exception for the nominee has not been approved yet.".into(),
            ),
            Self::MeasurementCorrected { corrected_by } => (
                format!("Målingen er allerede rettet af {corrected_by}: ret den i stedet."),
                format!("The measurement has already been corrected by {corrected_by}: correct that one."),
            ),
            Self::BenefitMapCycle { nodes } => (
                format!("Gevinstdiagrammet går i ring ({nodes}): fjern en af forbindelserne (I21)."),
                format!("The benefit map goes round in a circle ({nodes}): remove one of its edges (I21)."),
            ),
            Self::BenefitFrozen { fields } => (
                format!("En port har låst gevinsten: {fields} bliver, som det er. Læg en ny plan, eller opret en anden gevinst."),
                format!("A gate has frozen the benefit: {fields} stays as it is. Plan anew, or create another benefit."),
            ),
            Self::BenefitNotEconomic => (
                "Gevinsten er kvalitativ: kun økonomiske gevinster kan tages ud af budgettet.".into(),
                "The benefit is qualitative: only economic ones take something out of the budget.".into(),
            ),
            Self::BenefitIsDisbenefit => (
                "Det er en ulempe: den tager intet ud af budgettet.".into(),
                "It is a disbenefit: it takes nothing out of the budget.".into(),
            ),
            Self::BenefitNotCashable { cashability } => (
                format!("Gevinsten bliver ikke til penge, der kan tages ud af budgettet: den er {}.", in_danish(cashability)),
                format!("The benefit's money cannot be taken out of a budget ({cashability})."),
            ),
            Self::BudgetStepNotCovered { before, left_ore } => (
                format!("Det, der er {}, dækker ikke beløbet på kontoen det år: der er {left_ore} øre tilbage.", in_danish(before)),
                format!("The step {before} does not cover it on that account and year: {left_ore} øre are left."),
            ),
            Self::BudgetStepNeeded { after, needed_ore } => (
                format!("Posten bærer {needed_ore} øre, der er {}: ret dem først.", in_danish(after)),
                format!("The step {after} rests on it with {needed_ore} øre: correct that first."),
            ),
            Self::BudgetEffectCorrected { corrected_by } => (
                format!("Posten er allerede rettet af {corrected_by}: ret den i stedet."),
                format!("The entry has already been corrected by {corrected_by}: correct that one."),
            ),
            Self::NotInRealisation => (
                "Projektet er ikke overgået til realisering: der er endnu ingen gevinster at følge op på.".into(),
                "The project has not gone into realisation: there is nothing to review yet.".into(),
            ),
            Self::OutcomeDeviates { by_rule } => (
                format!("Tallene siger »{}«: begrund et andet resultat.", in_danish(by_rule)),
                format!("The figures say {by_rule}: give the reason for another outcome."),
            ),
            Self::OutcomeNotMeasured => (
                "Gevinsten er ikke målt: mål den først, eller konstatér, at den ikke er realiseret.".into(),
                "The benefit has not been measured: measure it first, or find that it is not realised.".into(),
            ),
            Self::ReviewNotDue { due_on } => (
                format!("Opfølgningen skal først holdes {due_on}. Vent til da, eller registrér fundet uden nummer."),
                format!("The review is due on {due_on}. Hold it from that day on, or record what was found without a number."),
            ),
            Self::OutcomeOpen => (
                "Tallene afgør ikke resultatet, for målet er det samme som nulpunktet: angiv resultatet og begrund det."
                    .into(),
                "The figures do not say, for the target is the baseline: name the outcome, with a reason.".into(),
            ),
            Self::NameTaken { name, .. } => {
                (format!("Navnet »{name}« er i brug."), format!("The name “{name}” is in use."))
            }
            Self::ExternalIdTaken { field, id } => {
                (format!("En anden enhed har {field} {id}."), format!("Another unit has the {field} {id}."))
            }
            Self::UnitCycle => (
                "En enhed kan ikke flyttes ind under sig selv eller under en enhed, der ligger under den.".into(),
                "A unit cannot be moved below itself, nor below a unit that is below it.".into(),
            ),
            Self::DatabaseUnavailable(_) => (
                "Databasen kan ikke nås lige nu. Intet er ændret: prøv igen.".into(),
                "The database cannot be reached right now. Nothing was changed: retry.".into(),
            ),
            Self::OutcomeUnknown(_) => (
                "Svaret på ændringen gik tabt. Prøv igen med samme idempotency-key, så afklares det.".into(),
                "The answer to the change was lost. Retry with the same idempotency-key to find out.".into(),
            ),
            Self::DeadlineExceeded => (
                "Kaldet nåede ikke at blive færdigt. Prøv igen med samme idempotency-key.".into(),
                "The call did not finish in time. Retry with the same idempotency-key.".into(),
            ),
            Self::Conflict(_) => (
                "En samtidig ændring kom først. Intet er ændret: prøv igen.".into(),
                "A concurrent change came first. Nothing was changed: retry.".into(),
            ),
            Self::Overloaded => (
                "Tjenesten har for travlt lige nu: prøv igen om lidt.".into(),
                "The service is too busy right now: retry in a moment.".into(),
            ),
            Self::RateLimited { .. } => (
                "Der er kommet for mange kald herfra på kort tid: vent lidt, og prøv igen.".into(),
                "Too many calls have come from here in a short time: wait a little and retry.".into(),
            ),
            Self::Internal(_) => (
                "Der er sket en fejl hos os. Giv forespørgslens id til driften.".into(),
                "Something failed on our side. Give the request id to the operator.".into(),
            ),
            Self::MethodUnknown => ("Den metode findes ikke.".into(), "There is no such method.".into()),
        };
        match language {
            Language::Danish => da,
            Language::English => en,
        }
    }
}

/// A step, an outcome or a cashability of the contract as a sentence in Danish says it.
fn in_danish(name: &str) -> &str {
    match name {
        "PROMISED" => "lovet",
        "BUDGETED" => "budgetteret",
        "REMOVED" => "fjernet fra budgettet",
        "REALISED" => "realiseret",
        "PARTLY_REALISED" => "delvist realiseret",
        "NOT_REALISED" => "ikke realiseret",
        "UNSPECIFIED" => "uafgjort",
        "FREED_CAPACITY" => "frigjort tid",
        "AVOIDED" => "en undgået udgift",
        "NON_FINANCIAL" => "uden økonomisk værdi",
        "SOCIETAL" => "en gevinst for andre end kommunen",
        other => other,
    }
}

/// What a person reads of a policy that forbids.
fn forbidden(action: &str, policy: &str, reason: ErrorReason) -> (String, String) {
    let (da, en) = match reason {
        ErrorReason::DeciderIsSubmitter => (
            "Den, der har indsendt portgennemgangen, kan ikke selv træffe beslutningen, heller ikke gennem en stedfortræder (I03).",
            "Who submitted the gate review may not decide it, nor may a delegate of theirs (I03).",
        ),
        ErrorReason::DeciderIsProjectManager => (
            "Projektlederen kan ikke træffe beslutning om sit eget projekt (I03).",
            "The project manager may not decide on their own project (I03).",
        ),
        ErrorReason::SubmitterIsProjectManager => (
            "Projektlederen kan ikke selv indsende projektet til en beslutningsport (I03).",
            "The project manager may not submit their own project to a gate (I03).",
        ),
        ErrorReason::AuditorReadsOnly => {
            ("Den, der reviderer, læser alt og ændrer intet.", "An auditor reads everything and changes nothing.")
        }
        ErrorReason::PersonRequired => {
            ("Det kan kun et menneske gøre, ikke et system.", "Only a human being can do this, not a system.")
        }
        ErrorReason::AuthorityExceeded => (
            "Beslutningen ligger ud over din bemyndigelse; det eneste svar, du kan give, er at sende den videre opad (I04).",
            "The decision is beyond your authority; the only answer you can give is to escalate it (I04).",
        ),
        ErrorReason::AssessorIsProjectManager => {
            ("Den, der leder projektet, vurderer det ikke selv.", "Who runs the project does not grade it.")
        }
        ErrorReason::OwnWaiver => (
            "En betingelse frafaldes af en, der hverken har foreslået det, ejer betingelsen eller leder projektet.",
            "A waiver is approved by somebody who neither proposed it, owns the condition nor runs the project.",
        ),
        ErrorReason::OwnNomination => (
            "En undtagelse godkendes af en, der hverken har udpeget den gevinstansvarlige eller selv er udpeget.",
            "An exception is approved by somebody who neither nominated the owner nor is nominated.",
        ),
        ErrorReason::GrantToOneself => ("Ingen kan give sig selv en rolle.", "Nobody grants a role to themselves."),
        ErrorReason::OwnDelegation => {
            ("En overdragelse godkendes af en tredje person.", "A delegation is approved by a third person.")
        }
        _ => {
            return (
                format!("Driften har lukket for {action} (regel {policy})."),
                format!("The operator has restricted {action} (policy {policy})."),
            );
        }
    };
    (da.into(), en.into())
}
