//! The OpenAPI document as a page for people. It loads nothing and runs nothing.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_SECURITY_POLICY;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::openapi::{DOCUMENT, Operation, operations};

const STYLE: &str = "
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; color: #1b1b1b; background: #fff }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere }
article { border-top: 1px solid #ccc; margin-top: 1.5rem }
ul { padding-left: 1.25rem }
a { color: #0b57a4 }
";

static PAGE: LazyLock<String> = LazyLock::new(|| {
    let mut page = String::new();
    render(&DOCUMENT, &mut page).expect("a string takes all that is written");
    page
});

/// Nothing may be loaded; only the style of the page itself counts.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The document as a page for people.
#[utoipa::path(
    get, path = "/api/docs", operation_id = "getDocs", tag = "documentation",
    security(()),
    responses((status = 200, body = String, content_type = "text/html")),
)]
pub(super) async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .body(PAGE.as_str())
}

/// Text that is no markup.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            other => f.write_char(other),
        })
    }
}

fn text(value: &Value) -> Escaped<'_> {
    Escaped(value.as_str().unwrap_or_default())
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn render(document: &Value, page: &mut String) -> fmt::Result {
    let title = text(&document["info"]["title"]);
    let mut tags = BTreeMap::<&str, Vec<Operation<'_>>>::new();
    for operation in operations(document) {
        let tag = operation.about["tags"][0].as_str().unwrap_or_default();
        tags.entry(tag).or_default().push(operation);
    }
    write!(
        page,
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>"
    )?;
    write!(page, "<style>{STYLE}</style></head><body><h1>{title}</h1>")?;
    write!(page, "<p>{}</p><nav><ul>", text(&document["info"]["description"]))?;
    for tag in tags.keys().map(|tag| Escaped(tag)) {
        write!(page, "<li><a href=\"#tag-{tag}\">{tag}</a></li>")?;
    }
    page.push_str("<li><a href=\"#schemas\">schemas</a></li></ul></nav>");
    for (tag, operations) in &tags {
        let tag = Escaped(tag);
        write!(page, "<section id=\"tag-{tag}\"><h2>{tag}</h2>")?;
        for operation in operations {
            render_operation(operation, page)?;
        }
        page.push_str("</section>");
    }
    page.push_str("<section id=\"schemas\"><h2>schemas</h2>");
    for (name, schema) in entries(&document["components"]["schemas"]) {
        let name = Escaped(name);
        write!(page, "<article id=\"schema-{name}\"><h3>{name}</h3>")?;
        render_schema(schema, page)?;
        page.push_str("</article>");
    }
    page.push_str("</section></body></html>\n");
    Ok(())
}

fn render_operation(operation: &Operation<'_>, page: &mut String) -> fmt::Result {
    let Operation { path, id, about, .. } = operation;
    let (path, id) = (Escaped(path), Escaped(id));
    let method = operation.method.to_ascii_uppercase();
    write!(
        page,
        "<article id=\"{id}\"><h3><a href=\"#{id}\"><code>{method} {path}</code></a></h3>"
    )?;
    write!(
        page,
        "<p>{} {}</p><ul>",
        text(&about["summary"]),
        text(&about["description"])
    )?;
    let permission = &about["x-permission"];
    if operation.is_open() {
        page.push_str("<li>Needs no login.</li>");
    } else if !permission.is_null() {
        let (action, resource) = (text(&permission["action"]), text(&permission["resource"]));
        write!(
            page,
            "<li>Needs the permission to {action} <code>{resource}</code>.</li>"
        )?;
    }
    for parameter in items(&about["parameters"]) {
        let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
        let required = if parameter["required"] == true {
            ", required"
        } else {
            ""
        };
        write!(
            page,
            "<li><code>{name}</code> ({place}{required}): {} ",
            text(&parameter["description"])
        )?;
        render_schema(&parameter["schema"], page)?;
        page.push_str("</li>");
    }
    for (media_type, content) in entries(&about["requestBody"]["content"]) {
        render_content("Body", media_type, content, page)?;
    }
    page.push_str("<li>Responses<ul>");
    for (status, response) in entries(&about["responses"]) {
        write!(
            page,
            "<li>{} {}<ul>",
            Escaped(status),
            text(&response["description"])
        )?;
        for (media_type, content) in entries(&response["content"]) {
            render_content("", media_type, content, page)?;
        }
        page.push_str("</ul></li>");
    }
    page.push_str("</ul></li></ul></article>");
    Ok(())
}

fn render_content(label: &str, media_type: &str, content: &Value, page: &mut String) -> fmt::Result {
    write!(page, "<li>{label} <code>{}</code>: ", Escaped(media_type))?;
    render_schema(&content["schema"], page)?;
    page.push_str("</li>");
    Ok(())
}

/// A schema in words, with its properties as a list.
fn render_schema(schema: &Value, page: &mut String) -> fmt::Result {
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|reference| reference.rsplit('/').next())
    {
        let name = Escaped(name);
        return write!(page, "<a href=\"#schema-{name}\">{name}</a>");
    }
    match &schema["type"] {
        Value::Array(types) => {
            let types: Vec<_> = types.iter().filter_map(Value::as_str).collect();
            write!(page, "{}", Escaped(&types.join(" or ")))?;
        }
        kind => write!(page, "{}", text(kind))?,
    }
    for name in [
        "format",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "default",
        "enum",
    ] {
        if let Some(limit) = schema.get(name) {
            write!(page, " <code>{name}: {}</code>", Escaped(&limit.to_string()))?;
        }
    }
    for (index, one) in ["oneOf", "anyOf", "allOf"]
        .iter()
        .flat_map(|name| items(&schema[name]).enumerate())
    {
        page.push_str(if index == 0 { " " } else { ", " });
        render_schema(one, page)?;
    }
    if !schema["items"].is_null() {
        page.push_str(" of ");
        render_schema(&schema["items"], page)?;
    }
    let required = |name: &str| items(&schema["required"]).any(|required| required == name);
    if schema["properties"].is_object() {
        page.push_str("<ul>");
        for (name, property) in entries(&schema["properties"]) {
            let mark = if required(name) { " (required)" } else { "" };
            write!(
                page,
                "<li><code>{}</code>{mark}: {} ",
                Escaped(name),
                text(&property["description"])
            )?;
            render_schema(property, page)?;
            page.push_str("</li>");
        }
        page.push_str("</ul>");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_operation_is_in_the_page() {
        assert!(operations(&DOCUMENT).count() > 40);
        for Operation { path, method, id, .. } in operations(&DOCUMENT) {
            assert!(PAGE.contains(&format!("<article id=\"{id}\">")), "{id}");
            let heading = format!("<code>{} {path}</code>", method.to_ascii_uppercase());
            assert!(PAGE.contains(&heading), "{heading}");
        }
        let targets = PAGE
            .split("href=\"#")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        for target in targets {
            assert!(
                PAGE.contains(&format!("id=\"{target}\"")),
                "nothing is called {target}"
            );
        }
    }

    #[test]
    fn the_page_loads_nothing() {
        for foreign in [
            "http://", "https://", "src=", "<script", "<link", "style=", "url(",
        ] {
            assert!(!PAGE.contains(foreign), "{foreign}");
        }
        // The policy is about the style that is in the page, to the byte.
        let style = PAGE
            .split("<style>")
            .nth(1)
            .and_then(|rest| rest.split("</style>").next());
        let digest = STANDARD.encode(Sha256::digest(style.unwrap()));
        assert!(POLICY.starts_with(&format!("default-src 'none'; style-src 'sha256-{digest}';")));
    }

    #[test]
    fn texts_are_no_markup() {
        let evil = "<b>\"'&";
        let document = json!({
            "info": { "title": evil, "description": evil },
            "paths": { evil: { "get": { "operationId": evil, "summary": evil, "tags": [evil] } } },
            "components": { "schemas": { evil: { "type": evil, "properties": { evil: { "description": evil } } } } },
        });
        let mut page = String::new();
        render(&document, &mut page).unwrap();
        assert!(!page.contains("<b>") && !page.contains("\"'"), "{page}");
        assert!(page.contains("<h1>&lt;b&gt;&quot;&#39;&amp;</h1>"), "{page}");
    }
}
