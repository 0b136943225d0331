//! Statements on a real PostgreSQL, on the shared account, where only what is understood of them stands between a task and
//! everything that account may do.

use serde_json::json;

use crate::databases::{Erp, rows};
use crate::house::decision;

/// A function without parentheses, a value in the words of an error, a name that is cut off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_runs_or_comes_back_under_another_name() {
    let Some(erp) = Erp::open(false).await else { return };
    let (long, longer) = ("x".repeat(63), "x".repeat(64));
    erp.behind(&format!(
        "CREATE FUNCTION paid(invoices) RETURNS text LANGUAGE sql AS $$SELECT 'it ran'$$; \
         CREATE FUNCTION amount(int) RETURNS text LANGUAGE sql AS $$SELECT 'of a value, no row'$$; \
         CREATE TABLE {long} (x text); \
         CREATE TABLE \"Ärzte\" (x text); INSERT INTO \"Ärzte\" VALUES ('upper'); \
         CREATE TABLE \"ärzte\" (x text); INSERT INTO \"ärzte\" VALUES ('lower'); \
         INSERT INTO suppliers (name) VALUES ('geheim')"
    ))
    .await;
    let reading = erp
        .house
        .task(
            &["erp/db.query"],
            &[
                "erp:public/invoices",
                "erp:public/Ärzte",
                &format!("erp:public/{longer}"),
            ],
        )
        .await;
    let writing = erp.house.task(&["erp/db.write"], &["erp:public/suppliers"]).await;

    let cut_off = format!("SELECT * FROM {longer}");
    for (token, text, reason) in [
        (
            &reading.token,
            "SELECT x.pg_read_file FROM unnest(ARRAY['/etc/passwd']) x",
            "not_inspectable",
        ),
        (
            &reading.token,
            "SELECT ('/etc/passwd'::text).pg_read_file",
            "not_inspectable",
        ),
        (&reading.token, "SELECT 1 OPERATOR(public.+) 1", "not_inspectable"),
        (&reading.token, "SELECT '(1,2,3)'::invoices", "not_inspectable"),
        (&reading.token, &cut_off, "not_inspectable"),
        (&reading.token, "SELECT * FROM Ärzte", "not_inspectable"),
        (&reading.token, "SELECT * FROM \"ärzte\"", "out_of_authority"),
        (
            &writing.token,
            "UPDATE suppliers SET id = CAST(name AS int)",
            "out_of_authority",
        ),
        (
            &writing.token,
            "INSERT INTO suppliers (name) VALUES ('x') RETURNING id",
            "out_of_authority",
        ),
    ] {
        let said = erp.sql(token, text).await;
        assert_eq!(decision(&said)["reason"], reason, "{text}: {said}");
        assert!(!said.to_string().contains("geheim"), "{said}");
    }
    for text in [
        "SELECT i.paid FROM invoices i",
        "SELECT count(*) FROM invoices WHERE public.invoices.paid > ''",
        "SELECT 1 FROM invoices x ORDER BY x.\"paid\"",
    ] {
        let said = erp.sql(&reading.token, text).await;
        let words = said["content"][0]["text"].as_str().unwrap();
        assert!(words.contains("has a function `paid`"), "{text}: {said}");
        assert!(!words.contains("it ran"), "{words}");
    }
    let upper = erp.sql(&reading.token, "SELECT \"Ärzte\".x FROM \"Ärzte\"").await;
    assert_eq!(rows(&upper), &json!([["upper"]]));
    // A function of single values is none of a row.
    let amounts = erp
        .sql(&reading.token, "SELECT i.amount FROM invoices i ORDER BY i.id")
        .await;
    assert_eq!(rows(&amounts), &json!([["10"], ["20"]]));
}

/// What is sent is not written as it came: PostgreSQL takes it all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_run_as_they_are_written_anew() {
    let Some(erp) = Erp::open(false).await else { return };
    let task = erp
        .house
        .task(
            &["erp/db.query", "erp/db.write"],
            &["erp:public/invoices", "erp:public/suppliers"],
        )
        .await;
    for (text, count) in [
        ("INSERT INTO suppliers (name) VALUES ('acme'), ('bolt')", 2),
        (
            "INSERT INTO suppliers (id, name) VALUES (1, 'x') ON CONFLICT (id) \
             DO UPDATE SET name = suppliers.name || excluded.name RETURNING suppliers.name",
            1,
        ),
        (
            "UPDATE Suppliers s SET name = upper(s.name) FROM invoices i WHERE i.id = s.id",
            2,
        ),
        (
            "SELECT Suppliers.name FROM SUPPLIERS JOIN public.invoices USING (id) WHERE suppliers.id = public.invoices.id",
            2,
        ),
        ("SELECT s.name FROM suppliers s FOR UPDATE OF s", 2),
        (
            "WITH suppliers AS (SELECT * FROM suppliers) SELECT suppliers.id FROM suppliers",
            2,
        ),
        (
            "SELECT x.n + 1, e.key, e.value FROM unnest(ARRAY[1, 2]) x(n), LATERAL jsonb_each('{\"a\": 1}'::jsonb) e",
            2,
        ),
        (
            "SELECT (string_to_array(i.secret, ','))[1], i.amount::numeric(10, 2), '1'::pg_catalog.int4 FROM invoices i",
            2,
        ),
    ] {
        let said = erp.sql(&task.token, text).await;
        assert_eq!(said["structuredContent"]["row_count"], count, "{text}: {said}");
    }
    let explained = erp
        .sql(&task.token, "EXPLAIN SELECT invoices.id FROM invoices")
        .await;
    assert!(!rows(&explained).as_array().unwrap().is_empty(), "{explained}");
}

/// What `x.f` of a table rests on: no function of the catalogue that takes any row does more than compute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_of_the_catalogue_that_take_any_row_only_compute() {
    let Some(erp) = Erp::open(false).await else { return };
    let known = "num_(non)?nulls|pg_typeof|pg_collation_for|quote_(literal|nullable)|concat|pg_column_(size|compression|\
        toast_chunk_id)|record_(out|send)|hash_record|row_to_json|jsonb?_build_(array|object)|to_jsonb?|\
        any(|element|nonarray|compatible|compatiblenonarray)_out";
    let others = format!(
        "SELECT count(*) FROM pg_proc p JOIN pg_type t ON t.oid = p.proargtypes[0] \
         WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.pronargs - p.pronargdefaults <= 1 AND p.prokind = 'f' \
           AND t.typname IN ('any', 'anyelement', 'anynonarray', 'anycompatible', 'anycompatiblenonarray', 'record') \
           AND (p.provolatile = 'v' OR p.proname !~ '^({known})$')"
    );
    assert_eq!(erp.count(&others).await, 0);
}
