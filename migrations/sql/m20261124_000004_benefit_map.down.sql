-- Without goals and maps: for development only. Both are lost.
DROP TRIGGER projects_measure_claims ON projects;
DROP TRIGGER benefits_measure_claim ON benefits;
DROP FUNCTION keep_measure_claim();
DROP FUNCTION stop_measure_claims();
DROP TABLE measure_claims;
DROP FUNCTION measure_key(text, text);
DROP FUNCTION claimed_period(date, integer);
ALTER TABLE benefits DROP COLUMN serves;
DROP TABLE benefit_maps;
DROP TABLE strategy_goals;
