//! The decisions of MQTT connections, without a broker.

mod outlet;
mod routing;
mod settings;
mod window;

use crate::topic::TopicFilter;

fn filter(text: &str) -> TopicFilter {
    TopicFilter::parse(text).unwrap()
}
