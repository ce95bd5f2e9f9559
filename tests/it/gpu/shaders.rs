//! Every shader in every permutation is valid, can be written for every graphics API, and agrees with the Rust side.

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, StorageAccess, TypeInner, back};
use spikegrad::gpu::{Permutation, find, permutations};

/// Parses and validates; what a kernel may use is WebGPU's floor, no extra capability. Reading 16-bit floats out of words belongs
/// to it, but naga asks for it, because an old software driver does not have it.
fn module(permutation: &Permutation) -> (naga::Module, naga::valid::ModuleInfo) {
    let source = permutation.source().unwrap_or_else(|error| panic!("{permutation:?}: {error}"));
    let module = naga::front::wgsl::parse_str(&source)
        .unwrap_or_else(|error| panic!("{permutation:?}: {}", error.emit_to_string(&source)));
    let half = permutation.defines.contains(&"HALF");
    let subgroups = permutation.defines.contains(&"SUBGROUPS");
    let mut capabilities = Capabilities::empty();
    capabilities.set(Capabilities::SHADER_FLOAT16_IN_FLOAT32, half);
    capabilities.set(Capabilities::SUBGROUP, subgroups);
    if permutation.defines.contains(&"COOPERATIVE") {
        capabilities |= Capabilities::COOPERATIVE_MATRIX | Capabilities::SHADER_FLOAT16;
        capabilities |= Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    }
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .unwrap_or_else(|error| panic!("{permutation:?}: {}", error.emit_to_string(&source)));
    (module, info)
}

#[test]
fn every_permutation_can_be_written_for_every_api() {
    for permutation in permutations() {
        let (module, info) = module(&permutation);
        // Subgroup operations are asked for only where the device has these versions.
        let subgroups = permutation.defines.contains(&"SUBGROUPS");
        let cooperative = permutation.defines.contains(&"COOPERATIVE");
        let lang_version = if subgroups { (1, 3) } else { (1, 0) };
        let spirv = back::spv::Options { lang_version, ..Default::default() };
        back::spv::write_vec(&module, &info, &spirv, None).unwrap_or_else(|e| panic!("SPIR-V {permutation:?}: {e}"));
        let metal = back::msl::Options {
            fake_missing_bindings: true,
            lang_version: if cooperative { (2, 3) } else { (2, 1) },
            ..Default::default()
        };
        back::msl::write_string(&module, &info, &metal, &Default::default())
            .unwrap_or_else(|e| panic!("MSL {permutation:?}: {e}"));
        if cooperative {
            // Direct3D has no cooperative matrices in naga, and wgpu offers none there.
            continue;
        }
        let shader_model = if subgroups { back::hlsl::ShaderModel::V6_0 } else { back::hlsl::ShaderModel::V5_1 };
        let hlsl = back::hlsl::Options { fake_missing_bindings: true, shader_model, ..Default::default() };
        let (mut text, pipeline) = (String::new(), Default::default());
        back::hlsl::Writer::new(&mut text, &hlsl, &pipeline)
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("HLSL {permutation:?}: {e}"));
    }
}

#[test]
fn every_permutation_keeps_within_the_floor_and_has_the_block_of_the_rust_side() {
    for permutation in permutations() {
        let (module, _) = module(&permutation);
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let (mut storage, mut workgroup, mut uniforms) = (0, 0, Vec::new());
        for (_, variable) in module.global_variables.iter() {
            let size = layouter[variable.ty].size;
            match variable.space {
                AddressSpace::Storage { access } => {
                    storage += 1;
                    assert!(access.contains(StorageAccess::LOAD));
                    assert!(matches!(module.types[variable.ty].inner, TypeInner::Array { .. }));
                }
                AddressSpace::WorkGroup => workgroup += size,
                AddressSpace::Uniform => uniforms.push(size as usize),
                _ => {}
            }
        }
        assert!(storage <= 8, "{permutation:?} binds {storage} storage buffers");
        assert!(workgroup <= 16 << 10, "{permutation:?} takes {workgroup} bytes of workgroup memory");
        let shader = find(permutation.name).unwrap();
        assert_eq!(uniforms, [shader.params], "{permutation:?}: parameter block in WGSL and in Rust");
        let entry = &module.entry_points[0];
        assert!(entry.workgroup_size.iter().product::<u32>() <= 256, "{permutation:?} has too many invocations");
    }
}
