//! Compiles the contract without protoc: protox reads the files, tonic-prost-build writes the types.
//!
//! The encoded descriptor set keeps comments and options, because HTTP bindings and validation rules are read from it
//! at run time; the set typed by prost would have lost both.

use std::{env, error::Error, fs, path::PathBuf};

use prost_reflect::DescriptorPool;

fn main() -> Result<(), Box<dyn Error>> {
    let mut files: Vec<PathBuf> = fs::read_dir("gevinst/v1")?
        .map(|entry| entry.map(|entry| PathBuf::from("gevinst/v1").join(entry.file_name())))
        .collect::<Result<_, _>>()?;
    files.sort();
    println!("cargo::rerun-if-changed=gevinst");
    println!("cargo::rerun-if-changed=vendor");

    let mut compiler = protox::Compiler::new([".", "vendor"])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    let encoded = compiler.encode_file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptor_set.bin"), &encoded)?;

    let mut builder = tonic_prost_build::configure();
    let pool = DescriptorPool::decode(encoded.as_slice())?;
    for message in pool.all_messages() {
        let name = message.full_name();
        if name.starts_with("gevinst.") {
            builder = builder.type_attribute(name, "#[derive(::prost_reflect::ReflectMessage)]").type_attribute(
                name,
                format!("#[prost_reflect(message_name = \"{name}\", descriptor_pool = \"crate::DESCRIPTOR_POOL\")]"),
            );
        }
    }
    builder.compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
