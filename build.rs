//! Has the program built anew when the front end was. Nothing is built here: `make frontend` does that, and without it
//! the program serves a page that says so.

fn main() {
    let built = "frontend/dist";
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={built}");
    // What is embedded must be a directory, if an empty one.
    if let Err(error) = std::fs::create_dir_all(built) {
        println!("cargo:warning={built} cannot be made: {error}");
    }
}
