//! What Jobber does with a real Postgres: the stores, publishing, and the admin API with the whole tree behind it; and what
//! its clients of MQTT do with a real broker.
//!
//! One private Postgres serves all tests of a run; each test has a migrated database of its own. The tests of MQTT each have
//! a private Mosquitto.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]
#![allow(
    unreachable_pub,
    reason = "what the support offers is said by `pub`, as in a library"
)]

mod support;

mod access;
mod admin_token;
mod api;
mod api_connections;
mod api_environment;
mod api_events;
mod api_lists;
mod api_publish;
mod api_queue;
mod api_storage;
mod api_store;
mod backups;
mod bruno;
mod calls;
mod catalogue;
mod durable_queue;
mod function_store;
mod health;
mod invocations;
mod listener;
mod lock;
mod logs;
mod metrics;
mod migrations;
mod mqtt;
mod mqtt_triggers;
mod partitions;
mod publish;
mod routes;
mod schedules;
mod schemathesis;
mod sealed;
mod session_leases;
mod traces;
mod unreadable;
mod upgrades;
