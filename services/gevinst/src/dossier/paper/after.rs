//! The second part of a page: what came after the basis was frozen; and how to verify the first.

use gevinst_proto::v1 as pb;
use maud::{Markup, html};

use super::{super::words, labels as label, page::Page};

impl Page<'_> {
    /// What came after the basis was frozen.
    pub fn after(&self) -> Markup {
        let (language, review) = (self.language, self.review);
        let end = language.moment(review.end_time.as_ref());
        let people = language.people(review.decider(), review.decided_for.as_deref());
        html! {
            section.after {
                h2 { (self.say(label::AFTER)) }
                p { (self.say(label::AFTER_NOTE)) }
                @match review.state() {
                    pb::GateReviewState::Decided => {
                        h2 { (self.say(label::DECISION)) }
                        dl {
                            (self.fact(label::DECISION, self.say(words::outcome(review.outcome()))))
                            (self.fact(label::DECIDED_BY, &people))
                            (self.fact(label::WHEN, &end))
                        }
                        dl.wide {
                            (self.fact(label::HOLD_REASONS, &language.hold_reasons(review.hold_reasons())))
                            (self.fact(label::REASON, &review.reason))
                        }
                        @if review.superseded_by.is_some() { p { strong { (self.say(label::CORRECTED)) "." } } }
                    }
                    pb::GateReviewState::Withdrawn => {
                        h2 { (self.say(label::WITHDRAWN)) }
                        dl.wide { (self.fact(label::WHEN, &end)) (self.fact(label::REASON, &review.reason)) }
                    }
                    _ => p { strong { (self.say(label::WAITING)) } }
                }
                (self.answers())
                (self.stop())
                (self.conditions(label::CONDITIONS, &review.conditions))
            }
        }
    }

    fn answers(&self) -> Markup {
        let (language, votes) = (self.language, &self.review.votes);
        html! {
            @if votes.is_empty() { h2 { (self.say(label::ANSWERS)) } p { (self.say(label::NO_ANSWERS)) } } @else {
                table {
                    caption { h2 { (self.say(label::ANSWERS)) } }
                    (self.head(&[label::BY_WHOM, label::ANSWER, label::REASON, label::WHEN]))
                    tbody { @for vote in votes {
                        @let why = language.hold_reasons(vote.hold_reasons());
                        tr {
                            th scope="row" { (language.people(&vote.voter, vote.acting_for.as_deref())) }
                            td { (self.say(words::outcome(vote.outcome()))) @if !why.is_empty() { small { (why) } } }
                            td {
                                (vote.reason)
                                @for one in &vote.conditions {
                                    small { (self.say(label::CONDITION)) ": " (one.title) " (" (one.owner) ", "
                                        (language.day(&one.due_on)) ")" }
                                }
                            }
                            td { (language.moment(vote.vote_time.as_ref())) }
                        }
                    } }
                }
            }
        }
    }

    fn stop(&self) -> Markup {
        let language = self.language;
        html! {
            @if let Some(stop) = &self.review.stop {
                h2 { (self.say(label::ACCOUNT)) }
                dl.four {
                    (self.fact(label::SUNK, &language.kroner(stop.sunk_cost_ore)))
                    (self.fact(label::BUDGET_AT_STOP, &language.kroner(stop.budget_ore)))
                    @if let Some(share) = &stop.share_of_budget {
                        (self.fact(label::SHARE_OF_BUDGET, &self.percent(share)))
                    }
                    @if let Some(days) = stop.days_since_g1 { (self.fact(label::DAYS_SINCE_G1, &days.to_string())) }
                }
            }
        }
    }

    /// What makes the first part more than a claim.
    pub fn verification(&self) -> Markup {
        let pb::GateReview { organisation, project, id, .. } = self.review;
        html! {
            h2 { (self.say(label::VERIFY)) }
            p { (self.say(label::VERIFY_NOTE)) }
            code.block { (self.basis.sha256) }
            p { (self.say(label::VERIFY_HOW)) }
            code.block {
                "curl -sH \"Authorization: Bearer $TOKEN\" \"$GEVINST/v1/organisations/" (organisation) "/projects/" (project)
                "/gate-reviews/" (id) "\" | jq -j .gateReview.decisionBasis.canonicalJson | sha256sum"
            }
        }
    }
}
