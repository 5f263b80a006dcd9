//! What stands on a paper beside what was recorded: every label, in Danish and in English.

use super::super::words::Words;

pub const ACCOUNT: Words = ("Regnskab ved stop", "Account at the stop");
pub const AFTER: Words = ("Tilføjet efter fastfrysningen", "Added after the freeze");
pub const AFTER_NOTE: Words = (
    "Det følgende var ikke en del af beslutningsgrundlaget. Det viser portgennemgangen, som den stod, da dokumentet blev hentet.",
    "What follows was no part of the decision basis. It shows the review as it stood when this paper was fetched.",
);
pub const ALL_MET: Words = ("Alt, porten spørger om, er på plads.", "All that the gate asks is there.");
pub const AMOUNT: Words = ("Beløb, der søges frigivet", "Amount to be released");
pub const ANSWER: Words = ("Svar", "Answer");
pub const ANSWERS: Words = ("Svarene", "Answers");
pub const APPROPRIATED: Words = ("Bevilget", "Appropriated");
pub const APPROPRIATIONS: Words = ("Bevillinger og rammer", "Appropriations and frames");
pub const ATTEMPT: Words = ("Forsøg", "Attempt");
pub const BENEFIT: Words = ("Gevinst", "Benefit");
pub const BENEFIT_MAP: Words = ("Gevinstdiagram", "Benefit map");
pub const BENEFITS: Words = ("Gevinster", "Benefits");
pub const BUDGET: Words = ("Budget", "Budget");
pub const BUDGET_AT_STOP: Words = ("Budget ved stop", "Budget at the stop");
pub const BLOCKING: Words = ("Blokerende", "Blocking");
pub const BY_WHOM: Words = ("Af hvem", "By whom");
pub const CLASS: Words = ("Type", "Class");
pub const CASE: Words = ("sag", "case");
pub const CONDITION: Words = ("Betingelse", "Condition");
pub const CONDITIONS: Words = ("Betingelser", "Conditions");
pub const CONDITIONS_BEFORE: Words = ("Betingelser fra tidligere porte", "Conditions of earlier gates");
pub const CORRECTED: Words =
    ("Beslutningen er siden rettet af en ny portgennemgang", "The decision has since been corrected by a later review");
pub const CORRECTS: Words =
    ("Portgennemgangen retter en tidligere beslutning", "The review corrects an earlier decision");
pub const CRITERIA: Words = ("Kriterier", "Criteria");
pub const CRITERION: Words = ("Kriterium", "Criterion");
pub const DAYS: Words = ("dage", "days");
pub const DAYS_SINCE_G1: Words = ("Dage siden første ja ved G1", "Days since the first yes at G1");
pub const DECIDED_BY: Words = ("Besluttet af", "Decided by");
pub const DECISION: Words = ("Beslutning", "Decision");
pub const DECISIONS_BEFORE: Words = ("Tidligere beslutninger", "Earlier decisions");
pub const DONE_WHEN: Words = ("Gjort, når", "Done when");
pub const DRAFTED_BY: Words = ("Forberedt af", "Prepared by");
pub const DUE: Words = ("Frist", "Due");
pub const ENDS: Words = ("Færdig", "Done by");
pub const EVIDENCE: Words = ("Dokumentation", "Evidence");
pub const FROM: Words = ("Nulpunkt", "Baseline");
pub const GATE: Words = ("Port", "Gate");
pub const GATE_MODEL: Words = ("Portmodel", "Gate model");
pub const GROUP_MET: Words = ("Opfyldt", "Met");
pub const GROUP_MISSING: Words = ("Mangler", "Missing");
pub const GROUP_NOT_ASKED: Words = ("Ikke stillet", "Not asked");
pub const HOLD_REASONS: Words = ("Hvorfor ikke nu", "Why not now");
pub const INCREMENT: Words = ("Trin", "Step");
pub const INCREMENTS: Words = ("Trin i planen", "Steps of the plan");
pub const KIND: Words = ("Beslutningsgrundlag", "Decision basis");
pub const LATEST: Words = ("Senest målt", "Latest");
pub const LEADER: Words = ("Enhedens leder", "Head of the unit");
pub const LEARNT: Words = ("Læring", "Lessons");
pub const LEFT: Words = ("Tilbage", "Left");
pub const MANAGER: Words = ("Projektleder", "Project manager");
pub const MAP_FINDINGS: Words = ("Værd at se på i diagrammet", "Worth a look on the map");
pub const MONEY: Words = ("Penge", "Money");
pub const NO_ANSWERS: Words = ("Ingen har svaret endnu.", "Nobody has answered yet.");
pub const NO_BENEFITS: Words = ("Der er ikke registreret gevinster.", "No benefits are registered.");
pub const NO_OWNER: Words = ("ingen", "nobody");
pub const NOT_MEASURED: Words = ("ikke målt", "not measured");
pub const NO: Words = ("nej", "no");
pub const OWNER: Words = ("Ansvarlig", "Owner");
pub const PER_YEAR: Words = ("Værdi pr. år", "Value per year");
pub const PERIOD: Words = ("Periode", "Period");
pub const PLAN: Words = ("Nuværende plan", "Present plan");
pub const PRICES_OF: Words = ("priser fra", "prices of");
pub const PRINCIPLE: Words = ("Princip", "Principle");
pub const PROJECT_OWNER: Words = ("Projektejer", "Project owner");
pub const REASON: Words = ("Begrundelse", "Reason");
pub const RELEASED: Words = ("Frigivet", "Released");
pub const REMEDY: Words = ("Det vil opfylde det", "What would meet it");
pub const RISK: Words = ("Risiko ved at gå videre", "Risk of going on");
pub const SCOPE: Words = ("Omfang", "Scope");
pub const SHARE_OF_BUDGET: Words = ("Andel af budgettet", "Share of the budget");
pub const SIZE: Words = ("Størrelse", "Size");
pub const SPENT: Words = ("Brugt", "Spent");
pub const STAGE: Words = ("Fase", "Stage");
pub const STATE: Words = ("Tilstand", "State");
pub const STRENGTH: Words = ("Krav", "Demand");
pub const SUBMITTED: Words = ("Indsendt og fastfrosset", "Submitted and frozen");
pub const SUBMITTER: Words = ("Indsendt af", "Submitted by");
pub const SUMMARY: Words = ("Kort fortalt", "In short");
pub const SUNK: Words = ("Brugt ved stop", "Spent by the stop");
pub const TARGET: Words = ("Mål", "Target");
pub const TO_BE_DECIDED: Words = ("Det skal afgøres", "What is to be decided");
pub const TRACK: Words = ("Spor", "Track");
pub const UNIT: Words = ("Enhed", "Unit");
pub const VARIANCE: Words = ("Siden første plan", "Since the first plan");
pub const VERIFY: Words = ("Sådan efterprøves grundlaget", "How to verify the basis");
pub const VERIFY_NOTE: Words = (
    "Alt før »Tilføjet efter fastfrysningen« er læst af det fastfrosne grundlag; kun hvem der forberedte og indsendte, er \
     fra portgennemgangen, og portens navn og spørgsmål fra den portmodel, som grundlaget nævner ved dens SHA-256. Grundlaget er \
     kanonisk JSON (RFC 8785), og dets SHA-256 er:",
    "All before “Added after the freeze” is read from the frozen basis; only who prepared and submitted it is from the \
     review, and the gate's name and question from the gate model that the basis names by its SHA-256. The basis is \
     canonical JSON (RFC 8785), and its SHA-256 is:",
);
pub const VERIFY_HOW: Words = (
    "Hent portgennemgangen, tag dens canonical_json byte for byte, og beregn summen. Den skal være den samme:",
    "Fetch the review, take its canonical_json byte by byte, and compute the sum. It must be the same:",
);
pub const VISION: Words = ("Vision", "Vision");
pub const WAITING: Words = ("Beslutningen er ikke truffet endnu.", "The decision has not been made yet.");
pub const WHEN: Words = ("Hvornår", "When");
pub const WHO_CAN: Words = ("Hvem kan gøre noget", "Who can do something");
pub const WHY: Words = ("Hvorfor", "Why");
pub const WITHDRAWN: Words = ("Trukket tilbage", "Withdrawn");
pub const YES: Words = ("ja", "yes");
