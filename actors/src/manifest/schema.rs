//! The JSON Schema of a manifest, for editors.

use schemars::Schema;
use schemars::generate::SchemaSettings;

use super::package::Manifest;

/// The JSON Schema (2020-12) of the fields of `package.json` that mean something to Jobber, generated from the types of this
/// module. `docs/reference/manifest.schema.json` is a copy of it.
#[must_use]
pub fn json_schema() -> Schema {
    let mut schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Manifest>();
    schema.insert("title".to_owned(), "The package.json of a Jobber package".into());
    schema
}
