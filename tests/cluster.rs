//! The throwaway cluster itself: that it collates otherwise than Hayloft, can be stopped, followed and promoted.

use crate::harness::cluster::{Cluster, Database, Options};

#[test]
fn a_database_of_ones_own_with_another_order_of_text() {
    let database = Database::new();
    assert_eq!(database.sql("SELECT 'a' < 'B', 'a' COLLATE \"C\" < 'B'"), ["t|f"]);
    assert_eq!(database.sql("SELECT current_database()"), [database.name()]);
    let other = Database::new();
    assert_ne!(database.url(), other.url());
}

#[test]
fn a_cluster_of_ones_own_stops_starts_and_is_followed() {
    let cluster = Cluster::start(&Options {
        durable: true,
        ..Options::default()
    });
    let database = cluster.create_database();
    cluster.sql(&database, "CREATE TABLE t (n INT); INSERT INTO t VALUES (1)");
    cluster.stop_immediately();
    cluster.start_again();
    let standby = cluster.standby(&Options::default());
    assert_eq!(standby.sql(&database, "SELECT pg_is_in_recovery(), n FROM t"), ["t|1"]);
    standby.promote();
    standby.sql(&database, "INSERT INTO t VALUES (2)");
    assert_eq!(standby.sql(&database, "SELECT count(*) FROM t"), ["2"]);
}
