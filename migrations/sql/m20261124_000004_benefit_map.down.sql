-- Without goals and maps: for development only. Both are lost.
ALTER TABLE benefits DROP COLUMN serves;
DROP TABLE benefit_maps;
DROP TABLE strategy_goals;
