-- Benefits are planned and measured only: for development only. Policies, effects on the budget, reviews and events are lost;
-- the outcomes that reviews have found remain.
DROP TRIGGER benefits_look_again ON benefits;
DROP FUNCTION look_again();
DROP FUNCTION next_look(uuid, uuid, date);
DROP FUNCTION due_benefit_reviews(uuid, date);
DROP FUNCTION benefit_review_dues(uuid);
DROP FUNCTION measurement_slots(uuid, date);
DROP FUNCTION benefit_policy(uuid);
DROP TABLE benefit_events;
DROP TABLE benefit_reviews;
DROP TABLE budget_effects;
DROP TABLE benefit_policies;
ALTER TABLE benefits DROP COLUMN realises_from, DROP COLUMN followed, DROP COLUMN next_look_on;
