//! Many measurements at once: in a stream and from a file, each recorded or refused for itself; and 64 who record at once
//! (I14, I24).

use std::collections::{BTreeMap, HashSet};

use futures_util::{future::join_all, stream};
use gevinst::auth::Role;
use gevinst_proto::v1::{self as pb, benefit_service_client::BenefitServiceClient};
use tonic::{Code, Request};

use crate::harness::{World, calls::pause};

fn new(benefit: &pb::Benefit, value: &str, day: &str) -> pb::NewMeasurement {
    pb::NewMeasurement {
        benefit: benefit.id.clone(),
        value: value.to_owned(),
        measured_on: day.to_owned(),
        source: "Sagssystemet".to_owned(),
        corrects: None,
    }
}

/// Sends these in one stream, under a key if there is one.
async fn sent(
    world: &World,
    token: &str,
    key: Option<&str>,
    news: Vec<pb::NewMeasurement>,
) -> Result<Vec<pb::MeasurementResult>, tonic::Status> {
    let organisation = world.id();
    let message = move |(at, measurement): (usize, pb::NewMeasurement)| pb::RecordMeasurementsRequest {
        organisation: if at == 0 { organisation.clone() } else { String::new() },
        measurement: Some(measurement),
        ..Default::default()
    };
    let mut request = Request::new(stream::iter(news.into_iter().enumerate().map(message)));
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    if let Some(key) = key {
        request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
    }
    let mut answers = BenefitServiceClient::new(world.new_channel()).record_measurements(request).await?.into_inner();
    let mut results = Vec::new();
    while let Some(answer) = answers.message().await? {
        results.push(answer.result.unwrap());
    }
    Ok(results)
}

fn office(world: &World) -> String {
    world.token("office", &[Role::PortfolioOffice])
}

/// All of a benefit's measurements, newest first, whatever the page.
async fn listed(world: &World, benefit: &pb::Benefit) -> Vec<pb::Measurement> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListMeasurementsRequest {
            organisation: world.id(),
            benefit: benefit.id.clone(),
            page_size: 200,
            page_token,
            ..Default::default()
        };
        let page = world.office().call(request).await.unwrap();
        all.extend(page.measurements);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

fn reason(result: &pb::MeasurementResult) -> &str {
    result.failure.as_ref().map_or("", |failure| &failure.reason)
}

#[tokio::test]
async fn stream_of_ten_thousand_answered_one_by_one_in_order_and_again_under_its_key() {
    let world = World::new().await;
    let project = world.project().await;
    let benefits = [world.benefit(&project, "10", "0").await, world.benefit(&project, "10", "0").await];
    let stranger = world.elsewhere().await;
    let foreign = stranger.benefit(&stranger.project().await, "10", "0").await;
    let news: Vec<pb::NewMeasurement> = (0..10_000)
        .map(|at| match at % 100 {
            7 => new(&benefits[0], "1,5", "2026-01-31"),
            8 => new(&benefits[0], "1", &world.day(1)),
            9 => new(&foreign, "1", "2026-01-31"),
            _ => new(&benefits[at % 2], &at.to_string(), "2026-01-31"),
        })
        .collect();
    let results = sent(&world, &office(&world), Some("aftenens-tal"), news.clone()).await.unwrap();
    let numbers: Vec<i32> = results.iter().map(|result| result.number).collect();
    assert_eq!(numbers, (1..=10_000).collect::<Vec<_>>());
    for (at, result) in results.iter().enumerate() {
        let expected = match at % 100 {
            7 | 8 => "FIELD_INVALID",
            9 => "NOT_FOUND",
            _ => "",
        };
        assert_eq!((reason(result), result.measurement.is_some()), (expected, expected.is_empty()), "{at}");
        if let Some(recorded) = &result.measurement {
            assert_eq!(recorded.value, at.to_string());
        }
    }
    let failure = results[7].failure.as_ref().unwrap();
    assert_eq!(failure.fields[0].field, "value");
    assert!(!failure.message.as_ref().unwrap().da.is_empty() && !failure.fields[0].description.is_empty());
    for (which, benefit) in benefits.iter().enumerate() {
        let all = listed(&world, benefit).await;
        assert_eq!(all.len(), 5_000 - if which == 0 { 100 } else { 200 });
        let values: Vec<usize> = all.iter().map(|measurement| measurement.value.parse().unwrap()).collect();
        assert!(values.is_sorted_by(|newer, older| newer > older), "the last sent of a day is the newest");
    }
    // I24: an entry for each, in the same transaction.
    let sql = "SELECT count(*), count(DISTINCT object_id) FROM audit_entries \
        WHERE action = 'benefit.measure' AND outcome = 'DONE' AND organisation_id = $1";
    let owner = crate::harness::owner().await;
    let counted = sea_orm::TransactionTrait::begin(&owner).await.unwrap();
    let scope = format!("SELECT set_config('app.organisation', '{}', true)", world.organisation);
    sea_orm::ConnectionTrait::execute_unprepared(&counted, &scope).await.unwrap();
    let question = gevinst::db::postgres(sql, [world.organisation.into()]);
    let row = sea_orm::ConnectionTrait::query_one_raw(&counted, question).await.unwrap().unwrap();
    let counts: (i64, i64) = (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
    assert_eq!(counts, (9_700, 9_700));

    let again = sent(&world, &office(&world), Some("aftenens-tal"), news.clone()).await.unwrap();
    assert_eq!(again, results, "the same answers");
    assert_eq!(listed(&world, &benefits[0]).await.len(), 4_900, "and nothing twice");
    let other = sent(&world, &office(&world), Some("aftenens-tal"), news[..10].to_vec()).await.unwrap_err();
    assert_eq!(other.code(), Code::FailedPrecondition, "{other:?}");
}

#[tokio::test]
async fn stream_of_one_too_many_records_nothing() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "10", "0").await;
    let news = vec![new(&benefit, "1", "2026-01-31"); 10_001];
    let status = sent(&world, &office(&world), None, news).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert!(listed(&world, &benefit).await.is_empty());
}

#[tokio::test]
async fn stream_by_an_owner_records_what_is_theirs_and_is_told_of_the_rest() {
    let world = World::new().await;
    let project = world.project().await;
    let mine = pb::CreateBenefitRequest { owner: "me".to_owned(), ..world.benefit_request(&project, "10", "0") };
    let mine = world.office().call(mine).await.unwrap().benefit.unwrap();
    world.accept(&mine).await;
    let other = world.benefit(&project, "10", "0").await;
    let news = vec![new(&other, "1", "2026-01-31"), new(&mine, "2", "2026-01-31")];
    let results = sent(&world, &world.token("me", &[]), None, news.clone()).await.unwrap();
    assert_eq!([reason(&results[0]), reason(&results[1])], ["NOT_FOUND", ""], "what they do not see is not there");
    let reader = sent(&world, &world.token("reader", &[Role::Reader]), None, news).await.unwrap();
    assert_eq!([reason(&reader[0]), reason(&reader[1])], ["ROLE_MISSING"; 2]);
    let refusals = world.audited("action = \"benefit.measure\" AND outcome = REFUSED").await;
    assert_eq!(refusals.len(), 3, "refusals are recorded too (I24)");
}

#[tokio::test]
async fn stream_corrects_what_counts_and_once_i14() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "10", "0").await;
    let wrong =
        world.office().call(world.measurement(&benefit, "99", "2026-01-31")).await.unwrap().measurement.unwrap();
    let correcting = |value: &str| pb::NewMeasurement {
        corrects: Some(pb::MeasurementCorrection { measurement: wrong.id.clone(), reason: "Talt forkert.".to_owned() }),
        ..new(&benefit, value, "2026-02-28")
    };
    let news = vec![correcting("9"), correcting("8"), new(&benefit, "7", "2026-01-01")];
    let results = sent(&world, &office(&world), None, news).await.unwrap();
    assert_eq!(results.iter().map(reason).collect::<Vec<_>>(), ["", "MEASUREMENT_CORRECTED", ""]);
    let by = &results[0].measurement.as_ref().unwrap().id;
    assert_eq!(results[1].failure.as_ref().unwrap().metadata["corrected_by"], *by);
    let counting: Vec<String> = listed(&world, &benefit)
        .await
        .into_iter()
        .filter(|found| found.corrected_by.is_none())
        .map(|found| found.value)
        .collect();
    assert_eq!(counting, ["9", "7"]);
}

#[tokio::test]
async fn file_as_a_danish_spreadsheet_writes_it_recorded_line_by_line() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "10", "0").await;
    let id = &benefit.id;
    let file = format!(
        "\u{feff}source;benefit;measured_on;value\r\n\"Sags\"\"systemet\"\"; 1. kvartal\";{id};2026-03-31;3,5\r\n\
         Sagssystemet;{id};2026-06-31;3\r\n\r\nSagssystemet;{id};2026-06-30;12,25\r\nSagssystemet;{id};1\r\n\
         Fødselsdage;{id};2026-06-30;tre\r\nTusinder;{id};2026-06-30;1.234\r\n"
    );
    let request =
        pb::ImportMeasurementsRequest { organisation: world.id(), content: file.into_bytes(), validate_only: false };
    let checked = pb::ImportMeasurementsRequest { validate_only: true, ..request.clone() };
    let checked = world.office().call(checked).await.unwrap();
    assert!((checked.recorded_count, checked.refused_count) == (2, 4) && listed(&world, &benefit).await.is_empty());
    let answer = world.office().call(request).await.unwrap();
    let told: Vec<_> = answer.results.iter().map(|result| (result.number, reason(result))).collect();
    let invalid = "FIELD_INVALID";
    assert_eq!(told, [(2, ""), (3, invalid), (5, ""), (6, invalid), (7, invalid), (8, invalid)]);
    let all = listed(&world, &benefit).await;
    assert_eq!(all.iter().map(|found| found.value.as_str()).collect::<Vec<_>>(), ["12.25", "3.5"]);
    assert_eq!(all[1].source, "Sags\"systemet\"; 1. kvartal");
}

#[tokio::test]
async fn file_that_cannot_be_read_refused_whole() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "10", "0").await;
    let line = format!("{},1,2026-01-31,s\n", benefit.id);
    let header = "benefit,value,measured_on,source";
    for file in [
        format!("benefit,value,source\n{line}"),
        format!("{header},owner\n{line}"),
        format!("{header},value\n{line}"),
        format!("{header}\n"),
        "\u{fffe}".to_owned(),
    ] {
        let request = pb::ImportMeasurementsRequest {
            organisation: world.id(),
            content: file.clone().into_bytes(),
            validate_only: false,
        };
        let failure = world.office().call(request).await.unwrap_err();
        assert!(failure.is(Code::InvalidArgument, "FIELD_INVALID"), "{file} {failure:?}");
        assert_eq!(failure.fields, ["content"]);
    }
    let content = format!("{header}\n{}", line.repeat(5_001)).into_bytes();
    let request = pb::ImportMeasurementsRequest { organisation: world.id(), content, validate_only: false };
    let failure = world.office().call(request).await.unwrap_err();
    assert!(failure.is(Code::FailedPrecondition, "TOO_MANY"), "{failure:?}");
    assert!(listed(&world, &benefit).await.is_empty());
}

/// What a roll-up has counted: how many measurements in the benefits' years, and how many benefits were measured.
async fn counted(world: &World, benefit: &pb::Benefit) -> i64 {
    let request = pb::GetBenefitProgressRequest { organisation: world.id(), benefit: benefit.id.clone() };
    let years = world.office().call(request).await.unwrap().against_plan.unwrap().years;
    years.iter().map(|year| year.measurements).sum()
}

#[tokio::test]
async fn sixty_four_record_one_benefit_at_once_and_nothing_is_lost() {
    let world = World::new().await;
    let project = world.project().await;
    let benefit = world.office().call(world.economic_request(&project, "2026-01-01")).await.unwrap().benefit.unwrap();
    let recorders = (0..64).map(|at| {
        let (office, request) = (world.office(), world.measurement(&benefit, &(900 - at).to_string(), "2026-03-31"));
        async move { office.persist(request).await.unwrap().measurement.unwrap() }
    });
    let recorded: HashSet<String> = join_all(recorders).await.into_iter().map(|found| found.id).collect();
    let all = listed(&world, &benefit).await;
    assert_eq!((recorded.len(), all.len()), (64, 64));
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id), "one order, by day and record");
    assert_eq!(counted(&world, &benefit).await, 64);
    let request = pb::GetBenefitProgressRequest { organisation: world.id(), benefit: benefit.id.clone() };
    let found = world.office().call(request).await.unwrap();
    assert_eq!(found.progress.unwrap().actual.unwrap().id, all[0].id, "the first of the list is the newest");
    // The mean of 900 down to 837.
    assert_eq!(found.against_plan.unwrap().years[0].actual(), "868.5");
}

#[tokio::test]
async fn sixty_four_streams_across_a_thousand_benefits_wait_for_each_other_and_lose_nothing() {
    let world = World::new().await;
    let mut benefits = Vec::new();
    for _ in 0..10 {
        let project = world.project().await;
        let created = (0..100).map(|_| {
            let (manager, request) = (world.manager(), world.economic_request(&project, "2026-01-01"));
            async move { manager.persist(request).await.unwrap().benefit.unwrap() }
        });
        benefits.extend(join_all(created).await);
    }
    let token = office(&world);
    // Each of every tenth benefit once, of every one in the long run; in an order of its own.
    let long = std::env::var("GEVINST_TEST_LONG").is_ok_and(|value| value == "1");
    let every = if long { 1 } else { 10 };
    let streams = (0..64usize).map(|at| {
        let mine = benefits.iter().skip(at % every).step_by(every);
        let mut news: Vec<pb::NewMeasurement> = mine.map(|benefit| new(benefit, "750", "2026-03-31")).collect();
        let len = news.len();
        news.rotate_left(at * 131 % len);
        if at % 2 == 1 {
            news.reverse();
        }
        let (world, token) = (&world, &token);
        async move {
            loop {
                match sent(world, token, Some(&format!("strøm-{at}").replace('ø', "oe")), news.clone()).await {
                    Ok(results) => return results,
                    Err(status) if [Code::Unavailable, Code::Aborted].contains(&status.code()) => {
                        pause().await;
                    }
                    Err(status) => panic!("{status:?}"),
                }
            }
        }
    });
    let mut recorded = BTreeMap::<String, usize>::new();
    for results in join_all(streams).await {
        for result in results {
            assert_eq!(reason(&result), "");
            *recorded.entry(result.measurement.unwrap().benefit).or_default() += 1;
        }
    }
    assert_eq!((recorded.len(), recorded.values().sum::<usize>()), (1_000, 64 * 1_000 / every));
    for benefit in benefits.iter().step_by(97) {
        let (all, number) = (listed(&world, benefit).await, recorded[&benefit.id]);
        assert_eq!((all.len(), counted(&world, benefit).await), (number, i64::try_from(number).unwrap()));
        assert!(all.is_sorted_by(|newer, older| newer.id > older.id));
    }
    let rollup = pb::GetBenefitRollupRequest { organisation: world.id(), ..Default::default() };
    let total = world.office().call(rollup).await.unwrap().total.unwrap().economic.unwrap();
    assert_eq!((total.benefits, total.planned, total.unmeasured), (1_000, 1_000, 0));
    // (750 - 1000) / (800 - 1000).
    let value = total.value.unwrap();
    assert_eq!(value.realised_share(), "1.2500");
}

#[tokio::test]
async fn stream_by_nobody_or_to_another_organisation_refused() {
    let world = World::new().await;
    let benefit = world.benefit(&world.project().await, "10", "0").await;
    let news = || vec![new(&benefit, "1", "2026-01-31")];
    let nobody = sent(&world, "", None, news()).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated, "{nobody:?}");
    let elsewhere = world.elsewhere().await;
    let foreign = sent(&elsewhere, &office(&world), None, news()).await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound, "{foreign:?}");
}
