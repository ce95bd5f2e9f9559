//! Shaders: the table of files, the preprocessor, and every permutation that the kernels can ask for.
//!
//! A file is WGSL with four lines of its own: `#import name` (once, however often it is named), `#ifdef NAME`,
//! `#else`, `#endif`. In front of it stand the contract's numbers and the constants of the permutation.

use crate::kernels::{FUTURE, HISTORY, constant, plane, row};
use std::collections::HashSet;
use std::fmt::Write;

/// A kernel's shader file.
pub struct Shader {
    /// Name of the file without `.wgsl`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
    /// Bytes of its uniform block, as the Rust side has it.
    pub params: usize,
}

/// A shader with its compile-time choices.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Permutation {
    /// Name of the shader.
    pub name: &'static str,
    /// What `#ifdef` finds.
    pub defines: Vec<&'static str>,
    /// Constants that stand in the text, as `const NAME: u32`.
    pub constants: Vec<(&'static str, u32)>,
}

impl Permutation {
    /// The shader `name` without choices.
    pub fn new(name: &'static str) -> Self {
        Permutation { name, defines: Vec::new(), constants: Vec::new() }
    }

    /// With `define` where `on`.
    pub fn define(mut self, define: &'static str, on: bool) -> Self {
        if on {
            self.defines.push(define);
        }
        self
    }

    /// With `const name: u32 = value`.
    pub fn constant(mut self, name: &'static str, value: usize) -> Self {
        self.constants.push((name, value as u32));
        self
    }

    /// The WGSL text.
    ///
    /// # Errors
    /// The mistake, with file and line.
    pub fn source(&self) -> Result<String, String> {
        let shader = find(self.name).ok_or_else(|| format!("there is no shader {}", self.name))?;
        let mut out = prelude();
        for (name, value) in &self.constants {
            let _ = writeln!(out, "const {name}: u32 = {value}u;");
        }
        expand(self.name, shader.text, &self.defines, &mut HashSet::new(), &mut out)?;
        Ok(out)
    }
}

/// The shader `name`.
pub fn find(name: &str) -> Option<&'static Shader> {
    super::table::SHADERS.iter().find(|shader| shader.name == name)
}

/// The contract's numbers, so that they stand once, in Rust.
fn prelude() -> String {
    let numbers = [
        ("HISTORY", HISTORY),
        ("FUTURE", FUTURE),
        ("PLANES", plane::PLANES),
        ("PLANE_POTENTIAL", plane::POTENTIAL),
        ("PLANE_CURRENT", plane::CURRENT),
        ("PLANE_START_POTENTIAL", plane::START_POTENTIAL),
        ("PLANE_START_CURRENT", plane::START_CURRENT),
        ("PLANE_LAMBDA", plane::LAMBDA),
        ("PLANE_MU", plane::MU),
        ("PLANE_COUNT", plane::COUNT),
        ("PLANE_COUNT_GRADIENT", plane::COUNT_GRADIENT),
        ("PLANE_ALPHA_GRADIENT", plane::ALPHA_GRADIENT),
        ("PLANE_BETA_GRADIENT", plane::BETA_GRADIENT),
        ("PLANE_THETA_GRADIENT", plane::THETA_GRADIENT),
        ("PLANE_BIAS_GRADIENT", plane::BIAS_GRADIENT),
        ("PLANE_ACTIVATION", plane::ACTIVATION),
        ("PLANE_STEP", plane::STEP),
        ("PLANE_ACTIVATION_GRADIENT", plane::ACTIVATION_GRADIENT),
        ("ROW_TAU_SYN", row::TAU_SYN),
        ("ROW_TAU_MEM", row::TAU_MEM),
        ("ROW_THRESHOLD", row::THRESHOLD),
        ("ROW_BIAS", row::BIAS),
        ("CONSTANT_ALPHA", constant::ALPHA),
        ("CONSTANT_BETA", constant::BETA),
        ("CONSTANT_GAMMA", constant::GAMMA),
        ("CONSTANT_THETA", constant::THETA),
        ("CONSTANT_BIAS", constant::BIAS),
    ];
    let mut text = String::new();
    for (name, value) in numbers {
        let _ = writeln!(text, "const {name}: u32 = {value}u;");
    }
    let _ = writeln!(text, "const NEVER: f32 = {:e}f;", crate::kernels::NEVER);
    text
}

/// Appends `text` to `out`, with imports in place and the branches of `defines` only.
fn expand(
    name: &str,
    text: &'static str,
    defines: &[&str],
    imported: &mut HashSet<&'static str>,
    out: &mut String,
) -> Result<(), String> {
    // For each open #ifdef: whether its present branch is taken, and whether #else was seen.
    let mut branches: Vec<(bool, bool)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mistake = |what: &str| format!("{name}.wgsl:{}: {what}", number + 1);
        let taken = branches.iter().all(|(taken, _)| *taken);
        let mut words = line.split_whitespace();
        match words.next() {
            Some("#ifdef") => {
                let define = words.next().ok_or_else(|| mistake("#ifdef needs a name"))?;
                branches.push((defines.contains(&define), false));
            }
            Some("#else") => match branches.last_mut() {
                Some((taken, seen @ false)) => (*taken, *seen) = (!*taken, true),
                _ => return Err(mistake("#else without #ifdef")),
            },
            Some("#endif") => {
                branches.pop().ok_or_else(|| mistake("#endif without #ifdef"))?;
            }
            Some("#import") if taken => {
                let wanted = words.next().ok_or_else(|| mistake("#import needs a name"))?;
                let (piece, text) = super::table::PIECES
                    .iter()
                    .find(|(piece, _)| *piece == wanted)
                    .ok_or_else(|| mistake("no such piece to import"))?;
                if imported.insert(piece) {
                    expand(piece, text, defines, imported, out)?;
                }
            }
            Some("#import") => {}
            Some(word) if word.starts_with('#') => return Err(mistake("unknown directive")),
            _ if taken => {
                out.push_str(line);
                out.push('\n');
            }
            _ => {}
        }
    }
    if branches.is_empty() { Ok(()) } else { Err(format!("{name}.wgsl: #ifdef without #endif")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &'static str, defines: &[&str]) -> Result<String, String> {
        let mut out = String::new();
        expand("test", text, defines, &mut HashSet::new(), &mut out).map(|()| out)
    }

    #[test]
    fn branches_nest_and_else_belongs_to_the_nearest() {
        let text = "#ifdef A\na\n#ifdef B\nb\n#else\nc\n#endif\n#else\nd\n#endif\ne";
        assert_eq!(run(text, &[]).unwrap(), "d\ne\n");
        assert_eq!(run(text, &["A"]).unwrap(), "a\nc\ne\n");
        assert_eq!(run(text, &["A", "B"]).unwrap(), "a\nb\ne\n");
        assert_eq!(run(text, &["B"]).unwrap(), "d\ne\n");
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        assert_eq!(run("a\n#else", &[]).unwrap_err(), "test.wgsl:2: #else without #ifdef");
        assert_eq!(run("#ifdef A", &[]).unwrap_err(), "test.wgsl: #ifdef without #endif");
        assert_eq!(run("#import nowhere", &[]).unwrap_err(), "test.wgsl:1: no such piece to import");
        assert_eq!(run("#define A", &[]).unwrap_err(), "test.wgsl:1: unknown directive");
    }

    #[test]
    fn a_piece_is_imported_once() {
        let out = run("#import shared/grid\n#import shared/grid", &[]).unwrap();
        assert_eq!(out.matches("fn flat_group").count(), 1);
    }
}
