//! Links of the OpenAPI document: what an answer says of the operations that one may go on with.

use serde_json::{Map, Value, json};

use super::openapi::{operations, parameters_of};

/// What makes something, with the status of success; the parameter that the thing has in paths, and where its value is.
const MAKERS: [(&str, &str, &str, &str); 4] = [
    ("createUser", "201", "user", "$response.body#/data/id"),
    ("createApiToken", "201", "token", "$response.body#/data/id"),
    ("setVariable", "200", "name", "$request.path.name"),
    ("setItem", "200", "key", "$request.path.key"),
];

/// Links every operation that makes something with those about what was made.
pub(super) fn add(document: &mut Value) {
    for (maker, status, parameter, place) in MAKERS {
        let Some(at) = operations(document).find(|operation| operation.id == maker) else {
            continue;
        };
        let (path, method) = (at.path.to_owned(), at.method.to_owned());
        let links = links(document, maker, &path, (parameter, place));
        document["paths"][path][method]["responses"][status]["links"] = links.into();
    }
}

fn links(document: &Value, maker: &str, from: &str, (made, place): (&str, &str)) -> Map<String, Value> {
    let about = operations(document)
        .filter(|operation| operation.id != maker && parameters_of(operation.path).any(|name| name == made));
    let linked = about.filter_map(|operation| {
        let value = |name: &str| {
            let known = parameters_of(from).any(|known| known == name);
            let asked = || known.then(|| format!("$request.path.{name}"));
            if name == made {
                Some(place.to_owned())
            } else {
                asked()
            }
        };
        let values = parameters_of(operation.path).map(|name| Some((name.to_owned(), value(name)?.into())));
        let parameters = values.collect::<Option<Map<_, _>>>()?;
        let link = json!({ "operationId": operation.id, "parameters": parameters });
        Some((operation.id.to_owned(), link))
    });
    linked.collect()
}

#[cfg(test)]
mod tests {
    use crate::api::openapi::DOCUMENT;

    use super::*;

    #[test]
    fn what_is_made_leads_to_what_can_be_done_with_it() {
        let links = |path: &str, method: &str, status: &str| {
            let links = &DOCUMENT["paths"][path][method]["responses"][status]["links"];
            let links = links.as_object().unwrap().iter();
            links
                .map(|(id, link)| (id.clone(), link["parameters"].clone()))
                .collect::<Vec<_>>()
        };
        let user = json!({ "user": "$response.body#/data/id" });
        let expected = ["deleteUser", "getUser", "updateUser"].map(|id| (id.to_owned(), user.clone()));
        assert_eq!(links("/api/users", "post", "201"), expected);
        let variable = json!({ "job": "$request.path.job", "name": "$request.path.name" });
        let expected = [("deleteVariable".to_owned(), variable)];
        assert_eq!(
            links("/api/job/{job}/environment/{name}", "post", "200"),
            expected
        );
        assert_eq!(links("/api/api-tokens", "post", "201").len(), 3);
        assert_eq!(links("/api/job/{job}/store/{key}", "put", "200").len(), 4);
    }
}
