use serde_json::json;
#[test]
fn show() {
    println!("{}", serde_json::to_string_pretty(&super::json_schema()).unwrap());
    let m = super::Manifest::check(
        &json!({"name":"a","version":"1","main":"./x.js","triggers":[{"type":"mqtt","topics":["a"],"connection":{"host":"h","password":"x"}},{"type":"http","path":"/a"},{"type":"schedule","cron":"@daily"}]}),
    );
    println!("{}", serde_json::to_string_pretty(&m.unwrap().manifest).unwrap());
}
