//! Has the program built again when the panel was: what is embedded is not seen by the compiler as long as it is not there.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=ui/dist");
}
