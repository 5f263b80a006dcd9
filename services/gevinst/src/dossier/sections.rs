//! The parts of a dossier, and the one question that reads them: whole, or as far as a gate's rules name them.

use std::sync::LazyLock;

use sea_orm::Statement;
use strum::IntoEnumIterator;

use crate::{
    benefits::map::entity,
    db::postgres,
    gates::{
        model::GateModel,
        rules::{GateCode, Step},
    },
    ids::{OrganisationId, ProjectId},
    projects::rules::Stage,
};

/// A part of the question: rows as JSON, in the order that the contract gives.
struct Section {
    /// What rules call it, at any depth of the dossier; empty where it is always read.
    name: &'static str,
    /// Columns by name, of the project `p`.
    columns: &'static [(&'static str, &'static str)],
}

/// All of them. Each costs PostgreSQL time even where it finds nothing: what no rule names is left out.
const SECTIONS: [Section; 14] = [
    Section { name: "", columns: &[("project", "row_to_json(p)::text")] },
    Section {
        name: "org_unit",
        columns: &[("org_unit", "(SELECT row_to_json(u)::text FROM org_units u
            WHERE u.organisation_id = p.organisation_id AND u.id = p.org_unit_id)")],
    },
    Section {
        name: "benefits",
        columns: &[("benefits", "(SELECT json_agg(b ORDER BY b.created_at, b.id)::text FROM benefits b
            WHERE b.organisation_id = p.organisation_id AND b.project_id = p.id)")],
    },
    Section {
        name: "groups_only_carrying",
        columns: &[("groups_only_carrying", "(SELECT json_agg(c.named ORDER BY c.named)::text
            FROM (SELECT g.named FROM benefits b CROSS JOIN LATERAL jsonb_array_elements(b.beneficiaries) AS g (named)
                WHERE b.organisation_id = p.organisation_id AND b.project_id = p.id
                GROUP BY g.named HAVING bool_and(b.disbenefit)) c)")],
    },
    Section {
        name: "latest_measurement",
        columns: &[("latest_measurements", "(SELECT json_agg(l)::text FROM benefits b
            CROSS JOIN LATERAL (SELECT m.* FROM measurements m
                WHERE m.organisation_id = b.organisation_id AND m.benefit_id = b.id
                    AND NOT EXISTS (SELECT FROM measurements c
                        WHERE c.organisation_id = m.organisation_id AND c.corrects_id = m.id)
                ORDER BY m.measured_on DESC, m.id DESC LIMIT 1) l
            WHERE b.organisation_id = p.organisation_id AND b.project_id = p.id)")],
    },
    Section {
        // Decided, drafted and waiting ones; but for their bases and criteria, which are long.
        name: "",
        columns: &[("reviews", "(SELECT json_agg(r ORDER BY r.ended_at, r.id)::text
            FROM (SELECT r.organisation_id, r.id, r.project_id, r.gate, r.attempt, r.state, r.submitter,
                r.project_manager, r.submitted_at, r.basis_sha256, r.outcome, r.decider, r.reason, r.ended_at, r.amount_ore,
                r.risk_class, r.decided_for, r.submitted_for, r.drafter, r.summary, r.hold_reasons, r.supersedes_id,
                r.gate_model_id, r.stop, r.led_to
            FROM gate_reviews r WHERE r.organisation_id = p.organisation_id AND r.project_id = p.id
                AND r.state IN ('DECIDED', 'DRAFT', 'SUBMITTED')) r)")],
    },
    Section {
        name: "votes",
        columns: &[("votes", "(SELECT json_agg(v ORDER BY v.voted_at, v.principal)::text
            FROM gate_reviews r JOIN gate_votes v ON v.organisation_id = r.organisation_id AND v.gate_review_id = r.id
            WHERE r.organisation_id = p.organisation_id AND r.project_id = p.id AND r.state = 'DECIDED')")],
    },
    Section {
        name: "conditions",
        columns: &[("conditions", "(SELECT json_agg(c ORDER BY c.due_on, c.id)::text FROM conditions c
            WHERE c.organisation_id = p.organisation_id AND c.project_id = p.id)")],
    },
    Section {
        name: "",
        columns: &[
            ("appropriations", "(SELECT json_agg(a ORDER BY a.recorded_at, a.id)::text FROM appropriations a
            WHERE a.organisation_id = p.organisation_id AND a.project_id = p.id)"),
            ("spend_authorities", "(SELECT json_agg(s ORDER BY s.granted_at, s.id)::text FROM spend_authorities s
            WHERE s.organisation_id = p.organisation_id AND s.project_id = p.id)"),
            ("spent", "(SELECT json_build_array(coalesce(sum(x.amount_ore), 0)::bigint,
                coalesce(sum(x.amount_ore) FILTER (WHERE x.purpose = 'EXPERIMENTS'), 0)::bigint)::text
            FROM expenditures x WHERE x.organisation_id = p.organisation_id AND x.project_id = p.id)"),
        ],
    },
    Section {
        name: "plan",
        columns: &[
            ("baselines", "(SELECT json_agg(b ORDER BY b.number)::text FROM project_baselines b
            WHERE b.organisation_id = p.organisation_id AND b.project_id = p.id)"),
            ("direction_changes", "(SELECT json_agg(d ORDER BY d.baseline_number)::text FROM direction_changes d
            WHERE d.organisation_id = p.organisation_id AND d.project_id = p.id)"),
            ("increments", "(SELECT json_agg(i ORDER BY i.start_on, i.id)::text FROM increments i
            WHERE i.organisation_id = p.organisation_id AND i.project_id = p.id)"),
        ],
    },
    Section {
        name: "lessons",
        columns: &[("lessons", "(SELECT json_agg(l ORDER BY l.published_at, l.id)::text FROM lessons l
            WHERE l.organisation_id = p.organisation_id AND l.project_id = p.id)")],
    },
    Section {
        name: "",
        columns: &[("assessments", "(SELECT json_agg(a ORDER BY a.gate, a.criterion)::text
            FROM (SELECT DISTINCT ON (n.gate, n.criterion) n.* FROM criterion_assessments n
                WHERE n.organisation_id = p.organisation_id AND n.project_id = p.id AND n.gate = ANY ($3)
                ORDER BY n.gate, n.criterion, n.assessed_at DESC, n.id DESC) a)")],
    },
    Section { name: "benefit_map", columns: &[("benefit_map", entity::KNOWN)] },
    Section {
        name: "events",
        columns: &[("events", "(SELECT json_agg(e ORDER BY e.occurred_at, e.id)::text FROM project_events e
            WHERE e.organisation_id = p.organisation_id AND e.project_id = p.id)")],
    },
];

/// Their columns where they are read, and where they are not; on one line, as traces show statements.
static COLUMNS: LazyLock<Vec<[String; 2]>> = LazyLock::new(|| {
    let on_one_line = |sql: &str| sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let joined = |columns: Vec<String>| columns.join(", ");
    let both = |section: &Section| {
        let read = section.columns.iter().map(|(name, sql)| format!("{} AS {name}", on_one_line(sql)));
        let unread = section.columns.iter().map(|(name, _)| format!("NULL AS {name}"));
        [joined(read.collect()), joined(unread.collect())]
    };
    SECTIONS.iter().map(both).collect()
});

/// Which parts of a dossier are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sections {
    /// A bit for each of `SECTIONS`.
    parts: u32,
    /// A bit for each gate whose assessments are read.
    gates: u32,
}

impl Sections {
    /// Everything known.
    pub const ALL: Self = Self { parts: (1 << SECTIONS.len()) - 1, gates: u32::MAX };

    /// What the rules of a gate can see, its assessments, and what always holds (I20).
    pub fn asked_at(model: &GateModel, step: &Step) -> Self {
        let gates = step.asks().fold(0, |gates, gate| gates | 1 << gate as u32);
        let mut read = Self { gates, ..Self::named("") };
        let expressions = model.asked_at(step).flat_map(|criterion| [&criterion.rule, &criterion.applies_if]).flatten();
        for name in expressions.flat_map(|expression| expression.names()) {
            read = read.with(Self::named(name));
        }
        if step.to == Stage::Closed { read.with(Self::named("lessons")) } else { read }
    }

    fn named(name: &str) -> Self {
        let parts = SECTIONS.iter().enumerate().filter(|(_, section)| section.name == name);
        let parts = parts.fold(0, |parts, (index, _)| parts | 1 << index);
        Self { parts, gates: if name == "assessments" { u32::MAX } else { 0 } }
    }

    fn with(self, other: Self) -> Self {
        Self { parts: self.parts | other.parts, gates: self.gates | other.gates }
    }

    /// Whether all of these are read.
    pub fn covers(self, other: Self) -> bool {
        self.with(other) == self
    }

    /// The question for them.
    pub fn question(self, organisation: OrganisationId, project: ProjectId) -> Statement {
        let is_read = |index: usize| self.parts & 1 << index != 0;
        let columns =
            COLUMNS.iter().enumerate().map(|(index, [read, unread])| if is_read(index) { read } else { unread });
        let columns = columns.map(String::as_str).collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT {columns} FROM projects p WHERE p.organisation_id = $1 AND p.id = $2");
        let gates = GateCode::iter().filter(|gate| self.gates & 1 << *gate as u32 != 0);
        let gates: Vec<String> = gates.map(|gate| <&str>::from(gate).to_owned()).collect();
        postgres(sql, [organisation.uuid().into(), project.uuid().into(), gates.into()])
    }
}

#[cfg(test)]
mod tests {
    use gevinst_proto::v1 as pb;
    use prost_reflect::ReflectMessage;

    use super::*;
    use crate::{gates::model, projects::rules::SizeClass};

    /// What rules can name is read where they name it: every field of the dossier is a section's, or is always there.
    #[test]
    fn every_field_of_the_dossier_has_a_section() {
        let always = ["project", "asked", "decisions", "funding", "assessments"];
        for field in pb::Dossier::default().descriptor().fields() {
            let is_read = Sections::named(field.name()).parts != 0;
            assert_ne!(is_read, always.contains(&field.name()), "{}", field.name());
        }
    }

    #[test]
    fn gate_reads_what_its_rules_name() {
        let model = model::shipped().unwrap();
        let at = |stage| Sections::asked_at(&model, model.step_from(stage, SizeClass::M).unwrap());
        let (execution, realisation) = (at(Stage::Analysis), at(Stage::Realisation));
        for (name, at_g2, at_g5) in [
            ("plan", true, false),
            ("latest_measurement", false, true),
            ("lessons", false, true),
            ("events", false, false),
        ] {
            let section = Sections::named(name);
            assert_eq!((execution.covers(section), realisation.covers(section)), (at_g2, at_g5), "{name}");
        }
        assert!(Sections::ALL.covers(execution) && !execution.covers(Sections::ALL));
        assert!(!execution.covers(realisation) && !execution.covers(Sections::named("assessments")));
    }
}
