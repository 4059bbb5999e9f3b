//! Reads the text format of Prometheus (0.0.4), and is as strict as its description.

use std::collections::{BTreeMap, BTreeSet, HashSet};

/// All metrics of a text, by their names.
pub type Exposition = BTreeMap<String, Family>;

/// One metric.
#[derive(Debug, Default)]
pub struct Family {
    /// `counter`, `gauge`, `histogram`.
    pub kind: String,
    pub samples: Vec<Sample>,
}

#[derive(Debug)]
pub struct Sample {
    /// With `_bucket`, `_sum` or `_count` for those of a histogram.
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Family {
    /// The names of the labels that its samples have, but for those of buckets.
    pub fn labels(&self) -> BTreeSet<&str> {
        let names = self.samples.iter().flat_map(|sample| sample.labels.keys());
        names.map(String::as_str).filter(|name| *name != "le").collect()
    }
}

/// Reads a text.
///
/// # Panics
/// If anything in it is not as the format wants it.
pub fn read(text: &str) -> Exposition {
    assert!(text.ends_with('\n'), "the last line has no end");
    let mut families = Exposition::new();
    let mut present: Option<(String, Family)> = None;
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            finish(present.take(), &mut families);
            assert!(is_name(name) && !help.is_empty(), "{line}");
            present = Some((name.to_owned(), Family::default()));
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, family) = present.as_mut().expect("its help stands before");
            let kind = kind
                .strip_prefix(&format!("{name} "))
                .expect("it is of the same metric");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            assert!(family.kind.is_empty() && family.samples.is_empty(), "{line}");
            kind.clone_into(&mut family.kind);
        } else {
            let (name, family) = present.as_mut().expect("its type stands before");
            let sample = sample(line);
            let ending = sample.name.strip_prefix(name.as_str());
            let fits = match family.kind.as_str() {
                "histogram" => matches!(ending, Some("_bucket" | "_sum" | "_count")),
                _ => ending == Some(""),
            };
            assert!(fits, "{line} is no {} {name}", family.kind);
            family.samples.push(sample);
        }
    }
    finish(present, &mut families);
    families
}

fn finish(family: Option<(String, Family)>, families: &mut Exposition) {
    let Some((name, family)) = family else { return };
    let mut series = HashSet::new();
    for sample in &family.samples {
        let counts = family.kind == "gauge" || sample.value >= 0.0;
        assert!(counts && sample.value.is_finite(), "{sample:?}");
        assert!(series.insert((&sample.name, &sample.labels)), "twice: {sample:?}");
    }
    if family.kind == "histogram" {
        check_histogram(&family);
    }
    assert!(
        families.insert(name.clone(), family).is_none(),
        "{name} is there twice"
    );
}

/// Buckets grow, the last one is infinite, and equals the count.
fn check_histogram(family: &Family) {
    let mut buckets: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    let mut counts = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        if sample.name.ends_with("_bucket") {
            let bound = labels.remove("le").expect("a bucket has a bound");
            let bound = if bound == "+Inf" {
                f64::INFINITY
            } else {
                bound.parse().unwrap()
            };
            buckets.entry(labels).or_default().push((bound, sample.value));
        } else if sample.name.ends_with("_count") {
            counts.insert(labels, sample.value);
        }
    }
    assert_eq!(buckets.len(), counts.len());
    for (labels, buckets) in buckets {
        assert!(
            buckets.is_sorted_by(|one, two| one.0 < two.0 && one.1 <= two.1),
            "{labels:?} {buckets:?}"
        );
        let last = buckets.last().unwrap();
        assert_eq!((last.0, Some(&last.1)), (f64::INFINITY, counts.get(&labels)));
    }
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|one| one.is_ascii_alphanumeric() || one == '_')
}

fn sample(line: &str) -> Sample {
    let (series, value) = line
        .rsplit_once(' ')
        .unwrap_or_else(|| panic!("{line} has no value"));
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"))),
        None => (series, ""),
    };
    assert!(is_name(name), "{line}");
    Sample {
        name: name.to_owned(),
        labels: labels_of(labels, line),
        value: value.parse().unwrap_or_else(|_| panic!("{line} has no number")),
    }
}

fn labels_of(mut text: &str, line: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        assert!(is_name(name), "{line}");
        let mut value = String::new();
        let mut characters = rest.char_indices();
        let end = loop {
            match characters
                .next()
                .unwrap_or_else(|| panic!("{line} has a label without end"))
            {
                (end, '"') => break end,
                (_, '\\') => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                    other => panic!("{line} has an unknown escape {other:?}"),
                },
                (_, other) => value.push(other),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{line}");
        text = &rest[end + 1..];
        text = text.strip_prefix(',').unwrap_or(text);
    }
    labels
}
