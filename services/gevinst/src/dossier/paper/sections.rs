//! The first part of a page: the sections of what was frozen.

use gevinst_proto::v1 as pb;
use maud::{Markup, html};
use rust_decimal::Decimal;

use super::{
    super::words::{self, Words},
    labels as label,
    page::Page,
};
use crate::benefits::map::svg;

impl Page<'_> {
    /// How the criteria stood: what is missing first, with what would meet it and who can.
    pub fn criteria(&self) -> Markup {
        let all = &self.frozen.criteria;
        let groups = [
            (label::GROUP_MISSING, all.iter().filter(|found| found.applies && !found.met).collect::<Vec<_>>()),
            (label::GROUP_MET, all.iter().filter(|found| found.applies && found.met).collect()),
            (label::GROUP_NOT_ASKED, all.iter().filter(|found| !found.applies).collect()),
        ];
        let none_missing = groups[0].1.is_empty();
        let columns = [label::CRITERION, label::STRENGTH, label::PRINCIPLE, label::WHY, label::WHO_CAN];
        html! {
            @if !all.is_empty() {
                table {
                    caption { h2 { (self.say(label::CRITERIA)) } @if none_missing { p { (self.say(label::ALL_MET)) } } }
                    (self.head(&columns))
                    @for (group, found) in &groups {
                        @if !found.is_empty() {
                            tbody {
                                tr {
                                    th scope="rowgroup" colspan=(columns.len()) {
                                        (self.say(*group)) " (" (found.len()) ")"
                                    }
                                }
                                @for one in found { (self.criterion(one)) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn criterion(&self, found: &pb::CriterionResult) -> Markup {
        let (language, missing) = (self.language, found.applies && !found.met);
        let remedy = language.text(found.remedy.as_ref());
        let evidence = found.assessment.iter().flat_map(|assessment| &assessment.evidence);
        html! {
            tr {
                th scope="row" { (language.text(found.title.as_ref())) small { (found.code) } }
                td { (self.say(words::strength(found.strength()))) }
                td { (self.say(words::principle(found.principle()))) }
                td {
                    (language.text(found.why.as_ref()))
                    @if missing && !remedy.is_empty() { small { (self.say(label::REMEDY)) ": " (remedy) } }
                    @for link in evidence { small { (self.say(label::EVIDENCE)) ": " (link.title) " <" (link.uri) ">" } }
                }
                // Nobody has to do anything about the others.
                td { @if missing { (language.text(found.who.as_ref())) } }
            }
        }
    }

    /// What it is for.
    pub fn benefits(&self) -> Markup {
        let (language, benefits) = (self.language, &self.frozen.dossier.benefits);
        let columns = [label::BENEFIT, label::FROM, label::TARGET, label::LATEST, label::PER_YEAR, label::OWNER];
        html! {
            @if benefits.is_empty() { h2 { (self.say(label::BENEFITS)) } p { (self.say(label::NO_BENEFITS)) } } @else {
                table {
                    caption { h2 { (self.say(label::BENEFITS)) } }
                    (self.head(&columns))
                    tbody { @for one in benefits {
                        @if let Some(benefit) = &one.benefit {
                            @let measure = benefit.measure.clone().unwrap_or_default();
                            tr {
                                th scope="row" { (benefit.title) small { (measure.name) ", " (measure.unit) } }
                                td { (language.number(&benefit.baseline)) }
                                td { (language.number(&benefit.target)) }
                                td { (self.measured(one.latest_measurement.as_ref())) }
                                td { @if let Some(value) = &benefit.planned_annual_value {
                                    (language.kroner(value.ore))
                                    small { (self.say(label::PRICES_OF)) " " (value.price_level_year) }
                                } }
                                td { (benefit.owner) }
                            }
                        }
                    } }
                }
            }
        }
    }

    /// Where benefits come from and what they lead to, and what the map lacks.
    pub fn benefit_map(&self) -> Markup {
        let Some(map) = &self.frozen.dossier.benefit_map else { return html! {} };
        let project = self.frozen.dossier.project.as_ref();
        let of = project.map(|project| format!("{} {}", project.number, project.title)).unwrap_or_default();
        html! {
            @if !map.nodes.is_empty() || !map.findings.is_empty() { h2 { (self.say(label::BENEFIT_MAP)) } }
            @if !map.nodes.is_empty() { (svg::document(map, &of, self.language)) }
            @if !map.findings.is_empty() {
                h3 { (self.say(label::MAP_FINDINGS)) }
                ul { @for one in &map.findings { li { (self.language.text(one.text.as_ref())) } } }
            }
        }
    }

    fn measured(&self, latest: Option<&pb::Measurement>) -> Markup {
        html! {
            @match latest {
                Some(latest) => {
                    (self.language.number(&latest.value))
                    small { (self.language.day(&latest.measured_on)) ", " (latest.source) }
                }
                None => (self.say(label::NOT_MEASURED)),
            }
        }
    }

    /// What it may cost, and has.
    pub fn money(&self) -> Markup {
        let language = self.language;
        let Some(funding) = &self.frozen.dossier.funding else { return html! {} };
        let standing: Vec<_> = funding.appropriations.iter().filter(|found| found.ended_by.is_none()).collect();
        html! {
            h2 { (self.say(label::MONEY)) }
            dl.four {
                (self.fact(label::APPROPRIATED, &language.kroner(funding.appropriated_ore)))
                (self.fact(label::RELEASED, &language.kroner(funding.authorised_ore)))
                (self.fact(label::SPENT, &language.kroner(funding.spent_ore)))
                (self.fact(label::LEFT, &language.kroner(funding.left_ore)))
            }
            @if !standing.is_empty() {
                h3 { (self.say(label::APPROPRIATIONS)) }
                ul { @for one in standing {
                    li {
                        (language.kroner(one.amount_ore)) ": " (self.say(words::appropriation_basis(one.basis()))) ", "
                        (one.body) ", " (language.day(&one.decided_on))
                        @if !one.case_number.is_empty() { ", " (self.say(label::CASE)) " " (one.case_number) }
                        ", " (one.first_year)
                        @if one.last_year > one.first_year { "–" (one.last_year) }
                    }
                } }
            }
        }
    }

    /// How it is to go on.
    pub fn plan(&self) -> Markup {
        let language = self.language;
        let plan = self.frozen.dossier.plan.clone().unwrap_or_default();
        html! {
            @if let Some(baseline) = plan.baselines.last() {
                h2 { (self.say(label::PLAN)) }
                dl {
                    (self.fact(label::BUDGET, &language.kroner(baseline.budget_ore)))
                    (self.fact(label::ENDS, &language.day(&baseline.end_on)))
                    @if let Some(variance) = plan.variance.as_ref().filter(|_| plan.baselines.len() > 1) {
                        (self.fact(label::VARIANCE, &self.variance(variance)))
                    }
                    (self.fact(label::SCOPE, &baseline.scope))
                }
            }
            @if !plan.increments.is_empty() {
                table {
                    caption { h2 { (self.say(label::INCREMENTS)) } }
                    (self.head(&[label::INCREMENT, label::PERIOD, label::BUDGET, label::DONE_WHEN, label::STATE]))
                    tbody { @for step in &plan.increments {
                        tr {
                            th scope="row" { (step.goal) small { (step.scope) } }
                            td { (language.day(&step.start_on)) " – " (language.day(&step.end_on)) }
                            td { (language.kroner(step.budget_ore)) }
                            td { (step.done_criteria.join("; ")) }
                            td { (self.say(words::increment_state(step.state()))) small { (step.result) } }
                        }
                    } }
                }
            }
        }
    }

    fn variance(&self, variance: &pb::Variance) -> String {
        let more = |negative: bool| if negative { "" } else { "+" };
        let share =
            variance.budget_share.as_deref().map(|share| format!(" ({})", self.percent(share))).unwrap_or_default();
        let (ore, days) = (variance.budget_ore, variance.days);
        let amount = self.language.kroner(ore);
        format!("{}{amount}{share}, {}{days} {}", more(ore < 0), more(days < 0), self.say(label::DAYS))
    }

    /// A share as a percentage: `0.25` is `25 %`.
    pub fn percent(&self, share: &str) -> String {
        let share = share.parse::<Decimal>().map(|share| (share * Decimal::ONE_HUNDRED).normalize().to_string());
        share.map(|percent| format!("{} %", self.language.number(&percent))).unwrap_or_default()
    }

    /// Conditions, if there are any.
    pub fn conditions(&self, what: Words, conditions: &[pb::Condition]) -> Markup {
        let language = self.language;
        let yes = |is: bool| self.say(if is { label::YES } else { label::NO });
        html! {
            @if !conditions.is_empty() {
                table {
                    caption { h2 { (self.say(what)) } }
                    (self.head(&[label::CONDITION, label::OWNER, label::DUE, label::BLOCKING, label::STATE]))
                    tbody { @for one in conditions {
                        tr {
                            th scope="row" { (one.title) }
                            td { (one.owner) }
                            td { (language.day(&one.due_on)) }
                            td { (yes(one.blocking)) }
                            td { (self.say(words::condition_state(one.state()))) small { (one.settle_reason) } }
                        }
                    } }
                }
            }
        }
    }

    /// How gates have answered before.
    pub fn decisions(&self) -> Markup {
        let (language, decisions) = (self.language, &self.frozen.dossier.decisions);
        html! {
            @if !decisions.is_empty() {
                table {
                    caption { h2 { (self.say(label::DECISIONS_BEFORE)) } }
                    (self.head(&[label::GATE, label::DECISION, label::REASON, label::DECIDED_BY, label::WHEN]))
                    tbody { @for one in decisions {
                        @let why = language.hold_reasons(one.hold_reasons());
                        tr {
                            th scope="row" { (words::gate(one.gate())) ", " (one.attempt) "." }
                            td {
                                (self.say(words::outcome(one.outcome())))
                                @if one.superseded_by.is_some() { small { (self.say(label::CORRECTED)) } }
                            }
                            td { (one.reason) @if !why.is_empty() { small { (why) } } }
                            td { (language.people(one.decider(), one.decided_for.as_deref())) }
                            td { (language.moment(one.end_time.as_ref())) }
                        }
                    } }
                }
            }
        }
    }

    /// What has been learnt.
    pub fn lessons(&self) -> Markup {
        let lessons = &self.frozen.dossier.lessons;
        html! {
            @if !lessons.is_empty() {
                h2 { (self.say(label::LEARNT)) }
                ul { @for one in lessons { li { (one.what) " " (one.why) " " strong { (one.advice) } } } }
            }
        }
    }
}
