-- Benefits are titles with a baseline and a target again: for development only. Plans, profiles and groups are lost.
DROP TRIGGER measurements_months ON measurements;
DROP FUNCTION keep_measured_months();
DROP FUNCTION count_measured_months(uuid, uuid, date);
DROP TABLE measured_months;
DROP TABLE benefit_plans;
ALTER TABLE gate_reviews DROP COLUMN led_to;
ALTER TABLE projects DROP COLUMN single_kind_reason;
REVOKE UPDATE (title, kind, measure_name, measure_unit, baseline, target, planned_annual_ore, price_level_year)
    ON benefits FROM gevinst_app;
ALTER TABLE benefits DROP COLUMN state;
ALTER TABLE benefits
    DROP COLUMN disbenefit, DROP COLUMN cashability, DROP COLUMN beneficiaries, DROP COLUMN measure_method,
    DROP COLUMN measure_source, DROP COLUMN measure_frequency, DROP COLUMN measure_aggregation,
    DROP COLUMN measure_direction, DROP COLUMN measure_scale, DROP COLUMN plan_number, DROP COLUMN baseline_evidence,
    DROP COLUMN planned_years, DROP COLUMN targets, DROP COLUMN start, DROP COLUMN plan_reason, DROP COLUMN planner,
    DROP COLUMN planned_at, DROP COLUMN starts_on, DROP COLUMN baseline_plan, DROP COLUMN baseline_starts_on, DROP COLUMN measured, DROP COLUMN outcome,
    DROP COLUMN outcome_at, DROP COLUMN version;
