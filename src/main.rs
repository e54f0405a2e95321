//! x
fn main() {
    use amx_schema::*;
    let b = std::env::args().nth(1).unwrap();
    let m = model::Model::embedded().unwrap();
    let d = dialect::Backend::from_word(&b).unwrap().dialect().unwrap();
    let s = d.schema_name("AMX").unwrap();
    let sc = script::Script{model:&m,dialect:d,schema:&s,location:None,checksums:&["11".into(),"22".into()]};
    println!("{}", sc.squashed().unwrap());
    println!("{}", script::migration_file(&m,d,2).unwrap());
}
