//! What the projects are to be worth: their benefits, with owners who accept them, what was measured, and a succession.

use gevinst_proto::v1 as pb;

use super::{
    Caller, DEMO_ORGANISATION, STAFF, answered,
    data::{DemoBenefit, Worth},
    leader,
    way::{TKR, Way},
};
use crate::auth::Role;

impl Way<'_> {
    /// The case's benefits and disbenefits; whoever leads the area that they fall to accepts them (I10, I11).
    /// Gives the ids of all of them.
    pub async fn promise(&mut self) -> Result<Vec<String>, String> {
        let usual = Worth::default();
        for (number, benefit) in self.demo.register.iter().enumerate() {
            let worth = self.story.worth.get(number).unwrap_or(&usual);
            let id = self.benefit(number, benefit, worth, false).await?;
            self.benefits.push(id);
        }
        let mut all = self.benefits.clone();
        if let Some((disbenefit, worth)) = &self.story.disbenefit {
            all.push(self.benefit(self.demo.register.len(), disbenefit, worth, true).await?);
        }
        Ok(all)
    }

    async fn benefit(
        &self,
        number: usize,
        benefit: &DemoBenefit,
        worth: &Worth,
        disbenefit: bool,
    ) -> Result<String, String> {
        let kind = pb::BenefitKind::from_str_name(&format!("BENEFIT_KIND_{}", benefit.kind)).unwrap_or_default();
        let is_economic = kind == pb::BenefitKind::Economic;
        let full_year = self.demo.flows_tkr.benefit.last().copied().unwrap_or_default();
        // Where the story says no more: half of it in the second year, and all of it in the third.
        let usual = [(&benefit.target, full_year / 2), (&benefit.target, full_year)];
        let years: Vec<(&String, i64)> = match &worth.years[..] {
            [] => usual.to_vec(),
            years => years.iter().map(|(target, tkr)| (target, *tkr)).collect(),
        };
        let last = years.last().map_or(0, |(_, tkr)| *tkr);
        let target = |(target, tkr): &(&String, i64)| pb::BenefitTarget {
            target: (*target).clone(),
            value_ore: is_economic.then_some(tkr * TKR),
        };
        let event = if worth.from.is_some() { pb::BenefitStartEvent::Date } else { pb::BenefitStartEvent::GoLive };
        let request = pb::CreateBenefitRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            project: self.project.clone(),
            title: benefit.title.clone(),
            kind: kind.into(),
            measure: Some(pb::Measure {
                name: benefit.measure.clone(),
                unit: benefit.unit.clone(),
                method: worth.method.clone().unwrap_or_else(|| "Talt op på samme måde som ved nulpunktet".to_owned()),
                source: worth.source.clone().unwrap_or_else(|| "Driftens egen opgørelse".to_owned()),
                frequency: pb::MeasureFrequency::Quarterly.into(),
                aggregation: pb::MeasureAggregation::Latest.into(),
                scale: worth.scale.iter().map(|(value, means)| point(value, means)).collect(),
                ..Default::default()
            }),
            baseline: benefit.baseline.clone(),
            target: benefit.target.clone(),
            owner: leader(self.demo.unit()),
            planned_annual_value: is_economic.then_some(pb::Money { ore: last * TKR, price_level_year: 2026 }),
            disbenefit,
            cashability: pb::Cashability::from_str_name(&format!("CASHABILITY_{}", worth.cashability))
                .unwrap_or_default()
                .into(),
            groups: worth.groups.iter().map(|(kind, name)| group(kind, name)).collect(),
            targets: years.iter().map(target).collect(),
            start: Some(pb::BenefitStart {
                event: event.into(),
                planned_on: worth.from.clone().unwrap_or_else(|| self.on(self.days())),
                ..Default::default()
            }),
            ..Default::default()
        };
        let call = self.manager()?.call(&format!("demo-{}-benefit-{number}", self.demo.id), request)?;
        let id = answered(self.people.benefits().create_benefit(call).await)?.benefit.unwrap_or_default().id;
        if STAFF.contains(&self.demo.unit()) {
            self.except(number, &id).await?;
        }
        self.accept(&id, &leader(self.demo.unit()), &format!("demo-{}-accept-{number}", self.demo.id)).await?;
        Ok(id)
    }

    /// Who leads staff leads no operational area: that they own the benefit all the same is an exception (S35).
    async fn except(&self, number: usize, benefit: &str) -> Result<(), String> {
        let request = pb::NominateBenefitOwnerRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            benefit: benefit.to_owned(),
            nominee: leader(self.demo.unit()),
            reason: "Gevinsten falder i staben selv.".to_owned(),
            exception_reason: "Intet driftsområde mærker den mere end de andre.".to_owned(),
            validate_only: false,
        };
        let key = |what: &str| format!("demo-{}-{what}-{number}", self.demo.id);
        let call = self.people.role(Role::PortfolioOffice)?.call(&key("nominate"), request)?;
        let nominated = answered(self.people.benefits().nominate_benefit_owner(call).await)?.ownership;
        let request = pb::ApproveBenefitOwnerExceptionRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            benefit: benefit.to_owned(),
            ownership: nominated.unwrap_or_default().id,
            reason: "Det er rigtigt set.".to_owned(),
            ..Default::default()
        };
        let call = self.people.role(Role::SteeringGroup)?.call(&key("approve"), request)?;
        answered(self.people.benefits().approve_benefit_owner_exception(call).await).map(drop)
    }

    async fn accept(&self, benefit: &str, owner: &str, key: &str) -> Result<(), String> {
        let request = pb::AcceptBenefitOwnershipRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            benefit: benefit.to_owned(),
            ..Default::default()
        };
        let call = self.owner(owner)?.call(key, request)?;
        answered(self.people.benefits().accept_benefit_ownership(call).await).map(drop)
    }

    /// Who leads an area, as whoever else asks them for something knows them.
    pub fn owner(&self, name: &str) -> Result<Caller, String> {
        self.people.person(name, Role::AreaLeader)
    }

    /// What was measured, by the owners: as the story has it, or else once.
    pub async fn measure(&self) -> Result<(), String> {
        let usual = Worth::default();
        for (number, (benefit, id)) in self.demo.register.iter().zip(&self.benefits).enumerate() {
            let worth = self.story.worth.get(number).unwrap_or(&usual);
            let once = benefit.actual.iter().map(|actual| ("2026-06-30".to_owned(), actual.clone()));
            let measured = if worth.measured.is_empty() { once.collect() } else { worth.measured.clone() };
            let mut corrects = None;
            for (at, (day, value)) in measured.iter().enumerate() {
                // What stands there of the same day was wrong.
                let wrong = corrects.take().filter(|(before, _)| before == day).map(|(_, measurement)| {
                    pb::MeasurementCorrection { measurement, reason: "To måneder var talt med to gange.".to_owned() }
                });
                let request = pb::RecordMeasurementRequest {
                    organisation: DEMO_ORGANISATION.to_string(),
                    benefit: id.clone(),
                    value: value.clone(),
                    measured_on: day.clone(),
                    source: worth.source.clone().unwrap_or_else(|| "Driftens egen opgørelse".to_owned()),
                    corrects: wrong,
                    validate_only: false,
                };
                let key = format!("demo-{}-measure-{number}-{at}", self.demo.id);
                let call = self.owner(&leader(self.demo.unit()))?.call(&key, request)?;
                let recorded = answered(self.people.benefits().record_measurement(call).await)?.measurement;
                corrects = Some((day.clone(), recorded.unwrap_or_default().id));
            }
        }
        Ok(())
    }

    /// What is taken out of the budget, step by step, where the story says so: promised by the owner, put in the budget and
    /// taken out of it by those who keep it.
    pub async fn cash(&self) -> Result<(), String> {
        let (Some(cashed), Some(benefit)) = (&self.story.cashed, self.benefits.first()) else { return Ok(()) };
        for (step, tkr) in &cashed.steps {
            let request = pb::RecordBudgetEffectRequest {
                organisation: DEMO_ORGANISATION.to_string(),
                benefit: benefit.clone(),
                account: cashed.account.clone(),
                year: cashed.year,
                step: pb::BudgetStep::from_str_name(&format!("BUDGET_STEP_{step}")).unwrap_or_default().into(),
                amount_ore: tkr * TKR,
                reference: if step == "PROMISED" { String::new() } else { cashed.reference.clone() },
                ..Default::default()
            };
            let who =
                if step == "PROMISED" { self.owner(&leader(self.demo.unit()))? } else { self.who(Role::Finance)? };
            let call = who.call(&format!("demo-{}-cash-{step}", self.demo.id), request)?;
            answered(self.people.realisation().record_budget_effect(call).await)?;
        }
        Ok(())
    }

    /// The leader of the unit leaves, and hands the project's benefits over to who comes after, where the story says so
    /// (I11). The unit's other benefits are orphaned until somebody does the same for them.
    pub async fn succeed(&self, unit: &pb::OrgUnit) -> Result<(), String> {
        let Some(successor) = &self.story.successor else { return Ok(()) };
        let changes = pb::OrgUnitChanges { leader: Some(successor.clone()), ..Default::default() };
        let request = pb::UpdateOrgUnitRequest {
            organisation: DEMO_ORGANISATION.to_string(),
            org_unit: unit.id.clone(),
            changes: Some(changes),
            update_mask: None,
            etag: unit.etag.clone(),
            validate_only: false,
        };
        let call = self.people.role(Role::PortfolioOffice)?.call(&format!("demo-{}-leader", self.demo.id), request)?;
        answered(self.people.organisations().update_org_unit(call).await)?;
        for (number, benefit) in self.benefits.iter().enumerate() {
            let request = pb::NominateBenefitOwnerRequest {
                organisation: DEMO_ORGANISATION.to_string(),
                benefit: benefit.clone(),
                nominee: successor.clone(),
                reason: "Har overtaget området.".to_owned(),
                ..Default::default()
            };
            let key = |what: &str| format!("demo-{}-{what}-{number}", self.demo.id);
            let call = self.owner(&leader(self.demo.unit()))?.call(&key("hand-over"), request)?;
            answered(self.people.benefits().nominate_benefit_owner(call).await)?;
            self.accept(benefit, successor, &key("take-over")).await?;
        }
        Ok(())
    }
}

fn point(value: &str, description: &str) -> pb::ScalePoint {
    pb::ScalePoint { value: value.to_owned(), description: description.to_owned() }
}

fn group(kind: &str, name: &str) -> pb::BeneficiaryGroup {
    let kind = pb::BeneficiaryKind::from_str_name(&format!("BENEFICIARY_KIND_{kind}")).unwrap_or_default();
    pb::BeneficiaryGroup { kind: kind.into(), name: name.to_owned() }
}
