//! Writes metrics with the labels of each.

use std::fmt;

use jobber_actors::metrics::{BOUNDS, HistogramView};
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// Of what there is only one.
pub(super) const NO_LABELS: [(&str, &str); 0] = [];

/// One label.
pub(super) type One<'a> = [(&'static str, &'a str); 1];

/// Where metrics are written to.
pub(super) struct Metrics<'a, 'e>(pub(super) &'a mut DescriptorEncoder<'e>);

impl Metrics<'_, '_> {
    /// One number that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        self.gauges(name, help, [(NO_LABELS, value)])
    }

    /// Numbers that go up and down.
    pub(super) fn gauges<S: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (S, i64)>,
    ) -> fmt::Result {
        self.gauges_in(None, name, help, values)
    }

    /// Numbers of this unit that go up and down; its name becomes the end of theirs.
    pub(super) fn gauges_in<S: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        unit: Option<&Unit>,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (S, V)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (labels, value) in values {
            encoder.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// One number that only grows.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.counters(name, help, [(NO_LABELS, value)])
    }

    /// Numbers that only grow.
    pub(super) fn counters<S: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (S, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            encoder
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }

    /// A number of seconds that only grows.
    pub(super) fn seconds(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let unit = Unit::Seconds;
        let mut encoder = self
            .0
            .encode_descriptor(name, help, Some(&unit), MetricType::Counter)?;
        encoder
            .encode_family(&NO_LABELS)?
            .encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    /// How long things took. What never happened is left out.
    pub(super) fn histograms<S: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (S, HistogramView)>,
    ) -> fmt::Result {
        let unit = Unit::Seconds;
        let mut encoder = self
            .0
            .encode_descriptor(name, help, Some(&unit), MetricType::Histogram)?;
        for (labels, view) in values.into_iter().filter(|(_, view)| view.count() > 0) {
            // What is beyond all bounds is in the whole count.
            let buckets: Vec<_> = BOUNDS.into_iter().zip(view.counts).collect();
            encoder.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                view.sum.as_secs_f64(),
                view.count(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

/// A count as the encoder takes it.
pub(super) fn whole(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
