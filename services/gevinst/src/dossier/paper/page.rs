//! The page itself: HTML that holds everything it needs, asks nobody for anything, and prints on A4. What people have
//! written is escaped by `maud`, always; links are shown and not followed.

use gevinst_proto::v1 as pb;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    super::words::{self, Language, Words},
    frozen::Frozen,
    labels as label,
};

/// How the page looks. The policy that it is sent under lets in this style and nothing else.
pub const STYLE: &str = include_str!("paper.css");

/// What a gate is called and asks.
pub struct Asks<'a>(&'a pb::Gate);

impl<'a> Asks<'a> {
    /// The gate that the dossier is asked by: one for the project's size before one for all.
    pub fn find(gates: &'a [pb::Gate], dossier: &pb::Dossier) -> Option<Self> {
        let code = dossier.asked.as_ref()?.gate();
        let size = dossier.project.as_ref()?.size_class;
        let named = || gates.iter().filter(|gate| gate.code() == code);
        let own = named().find(|gate| gate.size_classes.contains(&size));
        own.or_else(|| named().find(|gate| gate.size_classes.is_empty())).map(Self)
    }
}

/// What stands on a page.
pub struct Page<'a> {
    /// In which language.
    pub language: Language,
    /// The review as it stands.
    pub review: &'a pb::GateReview,
    /// The hash of what was frozen.
    pub basis: &'a pb::DecisionBasis,
    /// What was frozen.
    pub frozen: &'a Frozen,
    /// What the gate is called.
    pub asks: Option<Asks<'a>>,
}

impl Page<'_> {
    /// The page.
    pub fn write(&self) -> String {
        let project = self.frozen.dossier.project.clone().unwrap_or_default();
        let name = format!("{} {}", project.number, project.title);
        let kind = self.say(label::KIND);
        html! {
            (DOCTYPE)
            html lang=(self.language.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (name) " – " (kind) " " (words::gate(self.review.gate())) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        p.kind { (kind) " · " (self.gate()) }
                        h1 { (name) }
                        @if let Some(Asks(gate)) = &self.asks {
                            p.question { (self.language.of((&gate.question_da, &gate.question_en))) }
                        }
                        (self.question(&project))
                        (self.prose(label::SUMMARY, &self.frozen.summary))
                        (self.prose(label::VISION, &project.vision))
                        (self.criteria())
                        (self.benefits())
                        (self.benefit_map())
                        (self.money())
                        (self.plan())
                        (self.conditions(label::CONDITIONS_BEFORE, &self.frozen.dossier.conditions))
                        (self.decisions())
                        (self.lessons())
                        (self.after())
                        (self.verification())
                    }
                }
            }
        }
        .into_string()
    }

    /// A label.
    pub fn say(&self, words: Words) -> &'static str {
        self.language.of(words)
    }

    /// The gate, by its name where the basis names the model that has it.
    pub fn gate(&self) -> String {
        let code = words::gate(self.review.gate());
        match &self.asks {
            Some(Asks(gate)) => format!("{code} {}", self.language.of((&gate.name_da, &gate.name_en))),
            None => code.to_owned(),
        }
    }

    /// One fact, if there is one.
    pub fn fact(&self, what: Words, value: &str) -> Markup {
        html! { @if !value.is_empty() { div { dt { (self.say(what)) } dd { (value) } } } }
    }

    fn prose(&self, what: Words, text: &str) -> Markup {
        html! { @if !text.is_empty() { h2 { (self.say(what)) } p { (text) } } }
    }

    /// The head of a table.
    pub fn head(&self, columns: &[Words]) -> Markup {
        html! { thead { tr { @for column in columns { th scope="col" { (self.say(*column)) } } } } }
    }

    fn question(&self, project: &pb::Project) -> Markup {
        let (language, review) = (self.language, self.review);
        let asked = self.frozen.dossier.asked.clone().unwrap_or_default();
        let unit = self.frozen.dossier.org_unit.clone().unwrap_or_default();
        let model = &self.frozen.gate_model;
        // The first version of a basis said neither how much nor how risky.
        let weighed = asked.risk_class() != pb::RiskClass::Unspecified;
        let stage = match project.status() {
            pb::ProjectStatus::Unspecified | pb::ProjectStatus::Active => {
                self.say(words::stage(project.stage())).into()
            }
            other => format!("{} ({})", self.say(words::stage(project.stage())), self.say(words::status(other))),
        };
        html! {
            h2 { (self.say(label::TO_BE_DECIDED)) }
            dl {
                (self.fact(label::GATE, &self.gate()))
                (self.fact(label::ATTEMPT, &asked.attempt.to_string()))
                @if weighed {
                    (self.fact(label::AMOUNT, &language.kroner(asked.amount_ore)))
                    (self.fact(label::RISK, self.say(words::risk(asked.risk_class()))))
                }
                (self.fact(label::STAGE, &stage))
                @if project.track() != pb::Track::Unspecified {
                    (self.fact(label::TRACK, &join(": ", [self.say(words::track(project.track())), &project.track_reason])))
                }
                @if project.size_class() != pb::SizeClass::Unspecified {
                    (self.fact(label::SIZE, self.say(words::size(project.size_class()))))
                }
                (self.fact(label::CLASS, self.say(words::project_class(project.project_class()))))
                (self.fact(label::UNIT, &unit.name))
                (self.fact(label::LEADER, unit.leader.as_deref().unwrap_or(self.say(label::NO_OWNER))))
                (self.fact(label::PROJECT_OWNER, &project.project_owner))
                (self.fact(label::MANAGER, &project.project_manager))
                (self.fact(label::DRAFTED_BY, review.drafter()))
                (self.fact(label::SUBMITTER, &language.people(&review.submitter, review.submitted_for.as_deref())))
                (self.fact(label::SUBMITTED, &language.moment(self.frozen.submit_time.as_ref())))
                (self.fact(label::GATE_MODEL, &format!("{} v{}", model.name, model.version)))
            }
            @if review.supersedes.is_some() { p { (self.say(label::CORRECTS)) "." } }
        }
    }
}

/// What is there of these, with something between.
fn join<const N: usize>(between: &str, parts: [&str; N]) -> String {
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(frozen: &Frozen, review: &pb::GateReview, language: Language) -> String {
        let basis = pb::DecisionBasis { canonical_json: String::new(), sha256: "ab".repeat(32) };
        Page { language, review, basis: &basis, frozen, asks: None }.write()
    }

    /// What a reader sees: no tags.
    fn seen(page: &str) -> String {
        let body = page.split_once("</style>").unwrap().1;
        body.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect()
    }

    fn localized(da: &str, en: &str) -> Option<pb::LocalizedText> {
        Some(pb::LocalizedText { da: da.into(), en: en.into() })
    }

    /// A basis in which everything is filled in, each text with markup in it.
    fn whole() -> Frozen {
        let mark = |text: &str| format!("{text} <script>alert(1)</script> & \"x\"");
        let criterion = |code: &str, applies, met| pb::CriterionResult {
            code: code.into(),
            title: localized(&mark("krav"), "demand"),
            kind: pb::CriterionKind::Assessment.into(),
            strength: pb::CriterionStrength::Must.into(),
            principle: pb::Principle::StartSmall.into(),
            applies,
            met,
            why: localized("Fordi.", "Because."),
            remedy: localized("Gør noget.", "Do something."),
            who: localized("styregruppen", "the steering group"),
            assessment: Some(pb::CriterionAssessment {
                evidence: vec![pb::EvidenceLink {
                    title: mark("bilag"),
                    uri: "javascript:alert(1)".into(),
                    ..Default::default()
                }],
                ..Default::default()
            }),
            ..Default::default()
        };
        let condition = pb::Condition {
            title: mark("betingelse"),
            owner: "ejer".into(),
            due_on: "2026-12-24".into(),
            blocking: true,
            state: pb::ConditionState::Lapsed.into(),
            ..Default::default()
        };
        let baseline = |number, budget_ore| pb::ProjectBaseline {
            number,
            budget_ore,
            end_on: "2027-06-30".into(),
            scope: mark("omfang"),
            ..Default::default()
        };
        let increment = pb::Increment {
            goal: mark("trin"),
            budget_ore: 30_000_000,
            start_on: "2026-01-05".into(),
            end_on: "2026-03-05".into(),
            done_criteria: vec![mark("halvdelen"), "alle".into()],
            state: pb::IncrementState::Abandoned.into(),
            ..Default::default()
        };
        let decision = pb::GateReview {
            gate: pb::GateCode::G1.into(),
            attempt: 1,
            outcome: pb::GateOutcome::Hold.into(),
            hold_reasons: vec![pb::HoldReason::Capacity.into()],
            reason: mark("derfor"),
            decider: Some("styregruppen".into()),
            ..Default::default()
        };
        let early = Frozen::read(include_str!("basis_v2.json")).unwrap();
        Frozen {
            summary: mark("kort"),
            criteria: vec![criterion("A_B", true, false), criterion("C_D", true, true), criterion("E_F", false, false)],
            dossier: pb::Dossier {
                conditions: vec![condition],
                decisions: vec![decision],
                funding: Some(pb::Funding {
                    appropriated_ore: 100_000_000,
                    authorised_ore: 50_000_000,
                    spent_ore: 60_000_000,
                    left_ore: -10_000_000,
                    appropriations: vec![pb::Appropriation {
                        basis: pb::AppropriationBasis::CouncilDecision.into(),
                        body: mark("Kommunalbestyrelsen"),
                        decided_on: "2026-01-29".into(),
                        amount_ore: 100_000_000,
                        first_year: 2026,
                        last_year: 2027,
                        ..Default::default()
                    }],
                    ..Default::default()
                }),
                plan: Some(pb::ProjectPlan {
                    baselines: vec![baseline(0, 80_000_000), baseline(1, 100_000_000)],
                    variance: Some(pb::Variance {
                        budget_ore: 20_000_000,
                        budget_share: Some("0.25".into()),
                        days: -3,
                        ..Default::default()
                    }),
                    increments: vec![increment],
                    ..Default::default()
                }),
                benefit_map: Some(map(&mark("leverance"))),
                lessons: vec![pb::Lesson {
                    what: mark("læring"), advice: "Spørg først.".into(), ..Default::default()
                }],
                ..early.dossier
            },
            ..early
        }
    }

    /// A map on which an output leads to a principle.
    fn map(output: &str) -> pb::BenefitMap {
        use pb::BenefitMapNodeKind::{Goal, Output};
        let node = |key: &str, kind: pb::BenefitMapNodeKind, da: &str| pb::BenefitMapNode {
            key: key.into(),
            kind: kind.into(),
            label: localized(da, da),
            ..Default::default()
        };
        let lacks = pb::BenefitMapFinding {
            kind: pb::BenefitMapFindingKind::BenefitNotOnMap.into(),
            text: localized("En gevinst er ikke med i diagrammet.", "A benefit is not on the map."),
            ..Default::default()
        };
        pb::BenefitMap {
            nodes: vec![node("O", Output, output), node("G", Goal, "Giv altid værdi")],
            edges: vec![pb::BenefitMapEdge { from: "O".into(), to: "G".into(), weight: 65 }],
            findings: vec![lacks],
            ..Default::default()
        }
    }

    fn review() -> pb::GateReview {
        pb::GateReview {
            gate: pb::GateCode::G2.into(),
            attempt: 1,
            state: pb::GateReviewState::Decided.into(),
            submitter: "office".into(),
            outcome: pb::GateOutcome::Kill.into(),
            decider: Some("steering".into()),
            decided_for: Some("formand".into()),
            reason: "Nej <script>".into(),
            votes: vec![pb::GateVote {
                voter: "steering".into(),
                outcome: pb::GateOutcome::Hold.into(),
                hold_reasons: vec![pb::HoldReason::ChangeLoad.into()],
                ..Default::default()
            }],
            stop: Some(pb::StopRecord {
                sunk_cost_ore: 60_000_000,
                days_since_g1: Some(120),
                budget_ore: 100_000_000,
                share_of_budget: Some("0.6".into()),
            }),
            ..Default::default()
        }
    }

    #[test]
    fn everything_on_it_in_words_of_either_language() {
        let danish = seen(&written(&whole(), &review(), Language::Danish));
        for text in [
            "PRK-2026-0001 Færre breve",
            "1.234.567,00 kr.",
            "Mellem",
            "Start småt",
            "Selvbetjening",
            "2. marts 2026 kl. 10.30",
            "Mangler (1)",
            "Opfyldt (1)",
            "Ikke stillet (1)",
            "Tænk stort, start småt",
            "35,5",
            "450.000,00 kr.",
            "-100.000,00 kr.",
            "+200.000,00 kr. (25 %), -3 dage",
            "opgivet",
            "frist overskredet",
            "24. december 2026",
            "folkene er der ikke endnu",
            "Nej: stop",
            "steering på vegne af formand",
            "dagligdagen kan ikke bære forandringen nu",
            "60 %",
            "2026–2027",
            "Gevinstdiagram",
            "Leverancer",
            "65 %",
            "En gevinst er ikke med i diagrammet.",
        ] {
            assert!(danish.contains(text), "{text}: {danish}");
        }
        let english = seen(&written(&whole(), &review(), Language::English));
        for text in
            ["DKK 1,234,567.00", "2 March 2026, 10:30", "Missing (1)", "No: stop", "35.5", "lapsed", "Not asked (1)"]
        {
            assert!(english.contains(text), "{text}: {english}");
        }
        // Names of the contract are for programs.
        for name in ["START_SMALL", "KILL", "GO_WITH", "ON_HOLD", "SELF_SERVICE", "CHANGE_LOAD", "_UNSPECIFIED"] {
            assert!(!danish.contains(name) && !english.contains(name), "{name}");
        }
    }

    #[test]
    fn what_people_wrote_is_text_and_never_markup() {
        let page = written(&whole(), &review(), Language::Danish);
        assert!(page.matches("&lt;script&gt;").count() >= 12, "{page}");
        for tag in ["<script", "<a ", "href=", "src=", " style=", "<img", "<link"] {
            assert!(!page.contains(tag), "{tag}");
        }
    }

    #[test]
    fn papers_of_earlier_bases_say_what_those_have() {
        let review = pb::GateReview {
            gate: pb::GateCode::G2.into(),
            state: pb::GateReviewState::Submitted.into(),
            ..Default::default()
        };
        let first = Frozen::read(include_str!("basis_v1.json")).unwrap();
        let second = Frozen::read(include_str!("basis_v2.json")).unwrap();
        let (first, second) =
            (seen(&written(&first, &review, Language::Danish)), seen(&written(&second, &review, Language::Danish)));
        for page in [&first, &second] {
            for text in
                ["Færre breve", "Borgerservice", "Kortere sagstid", "Godt begrundet.", "Ja: videre", "ikke truffet"]
            {
                assert!(page.contains(text), "{text}: {page}");
            }
            // What they had not is not shown as if it were nothing.
            for text in ["Kriterier", "Penge", "Størrelse", "ikke angivet"] {
                assert!(!page.contains(text), "{text}: {page}");
            }
        }
        assert!(!first.contains("Risiko") && !first.contains("Beløb") && second.contains("1.234.567,00 kr."));
    }
}
