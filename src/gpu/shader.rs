//! Shaders: the table of files, the preprocessor, and every permutation that the kernels can ask for.
//!
//! A file is WGSL with lines of its own: `#import name` (once, however often it is named); `#ifdef NAME`, `#else`,
//! `#endif`; `#repeat i COUNT`, `#end` (a block for each i below that constant: what a register array is indexed with must
//! be known to the driver's compiler, or the array lands in memory). In front of it stand the contract's numbers and the
//! constants of the permutation.

use crate::kernels::{FUTURE, HISTORY, coefficient, constant, normal, plane, row};
use crate::neuron::Snippet;
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
    /// The neuron that `#import neuron/generated` stands for.
    pub snippet: Option<&'static Snippet>,
    /// WGSL expression of a custom surrogate: the text of `custom_surrogate(z)`.
    pub expression: Option<&'static str>,
}

/// The function that an expression of a custom surrogate becomes.
fn custom_surrogate(expression: &str) -> String {
    format!("fn custom_surrogate(z: f32) -> f32 {{\n    return (\n{expression}\n    );\n}}\n")
}

/// Whether `expression` is one WGSL expression of `z: f32` with a value in f32.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn check_expression(expression: &str) -> Result<(), String> {
    use wgpu::naga::{front::wgsl, valid};
    let module = wgsl::parse_str(&custom_surrogate(expression)).map_err(|error| error.message().to_string())?;
    if module.functions.len() != 1 || !module.global_variables.is_empty() {
        return Err("is more than an expression".into());
    }
    let mut validator = valid::Validator::new(valid::ValidationFlags::all(), valid::Capabilities::empty());
    validator.validate(&module).map(|_| ()).map_err(|error| {
        // The last of the chain is what is wrong; those before say where in the module.
        let mut error: &dyn std::error::Error = &error.into_inner();
        while let Some(source) = error.source() {
            error = source;
        }
        error.to_string()
    })
}

impl Permutation {
    /// The shader `name` without choices.
    pub fn new(name: &'static str) -> Self {
        Permutation { name, defines: Vec::new(), constants: Vec::new(), expression: None, snippet: None }
    }

    /// With the expression of a custom surrogate.
    pub fn expression(mut self, expression: Option<&'static str>) -> Self {
        self.expression = expression;
        self
    }

    /// With `define` where `on`.
    pub fn define(mut self, define: &'static str, on: bool) -> Self {
        if on {
            self.defines.push(define);
        }
        self
    }

    /// With the neuron of a snippet, where there is one.
    pub fn snippet(mut self, snippet: Option<&'static Snippet>) -> Self {
        self.snippet = snippet;
        self.define("SNIPPET", snippet.is_some())
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
        // What must stand before everything else.
        let cooperative = self.defines.contains(&"COOPERATIVE");
        let mut out = if cooperative { "enable f16;\nenable wgpu_cooperative_matrix;\n".into() } else { String::new() };
        out += &prelude();
        for (name, value) in &self.constants {
            let _ = writeln!(out, "const {name}: u32 = {value}u;");
        }
        if let Some(expression) = self.expression {
            out.push_str(&custom_surrogate(expression));
        }
        let (defines, constants) = (&self.defines, &self.constants);
        let snippet = self.snippet;
        let mut expansion = Expansion { defines, constants, snippet, imported: HashSet::new(), out };
        expansion.expand(self.name, &shader.text.lines().collect::<Vec<_>>(), 1)?;
        Ok(expansion.out)
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
        ("ROWS", row::ROWS),
        ("CONSTANTS", constant::ROWS),
        ("ROW_TAU_SYN", row::TAU_SYN),
        ("ROW_TAU_MEM", row::TAU_MEM),
        ("ROW_THRESHOLD", row::THRESHOLD),
        ("ROW_BIAS", row::BIAS),
        ("CONSTANT_ALPHA", constant::ALPHA),
        ("CONSTANT_BETA", constant::BETA),
        ("CONSTANT_GAMMA", constant::GAMMA),
        ("CONSTANT_THETA", constant::THETA),
        ("CONSTANT_BIAS", constant::BIAS),
        ("NORMAL_MEAN", normal::MEAN),
        ("NORMAL_VARIANCE", normal::VARIANCE),
        ("NORMAL_FACTOR", normal::FACTOR),
        ("COEFFICIENTS", coefficient::COUNT),
        ("COEFFICIENT_GRADIENT", coefficient::GRADIENT),
        ("COEFFICIENT_VALUE", coefficient::VALUE),
        ("COEFFICIENT_ON", coefficient::ON),
        ("COEFFICIENT_OFF", coefficient::OFF),
    ];
    let mut text = String::new();
    for (name, value) in numbers {
        let _ = writeln!(text, "const {name}: u32 = {value}u;");
    }
    let _ = writeln!(text, "const NEVER: f32 = {:e}f;", crate::kernels::NEVER);
    text
}

/// The preprocessor at work on one permutation.
struct Expansion<'a> {
    defines: &'a [&'static str],
    constants: &'a [(&'static str, u32)],
    snippet: Option<&'static Snippet>,
    imported: HashSet<&'static str>,
    out: String,
}

impl Expansion<'_> {
    /// Appends the lines of a file from number `first` on: imports in place, branches of the defines only, loops unrolled.
    fn expand(&mut self, file: &str, lines: &[&str], first: usize) -> Result<(), String> {
        // For each open #ifdef: whether its present branch is taken, and whether #else was seen.
        let mut branches: Vec<(bool, bool)> = Vec::new();
        let mut at = 0;
        while let Some(&line) = lines.get(at) {
            let mistake = |what: &str| format!("{file}.wgsl:{}: {what}", first + at);
            let taken = branches.iter().all(|(taken, _)| *taken);
            let mut words = line.split_whitespace();
            match words.next() {
                Some("#ifdef") => {
                    let define = words.next().ok_or_else(|| mistake("#ifdef needs a name"))?;
                    branches.push((self.defines.contains(&define), false));
                }
                Some("#else") => match branches.last_mut() {
                    Some((taken, seen @ false)) => (*taken, *seen) = (!*taken, true),
                    _ => return Err(mistake("#else without #ifdef")),
                },
                Some("#endif") => {
                    branches.pop().ok_or_else(|| mistake("#endif without #ifdef"))?;
                }
                Some("#import") => {
                    let wanted = words.next().ok_or_else(|| mistake("#import needs a name"))?;
                    if let (true, Some(snippet), "neuron/generated") = (taken, self.snippet, wanted) {
                        let generated = super::snippet::generated(snippet);
                        self.expand(wanted, &generated.lines().collect::<Vec<_>>(), 1)?;
                        self.expand(snippet.name, &snippet.wgsl.lines().collect::<Vec<_>>(), 1)?;
                        at += 1;
                        continue;
                    }
                    if wanted == "neuron/generated" && !taken {
                        at += 1;
                        continue;
                    }
                    let piece = super::table::PIECES.iter().find(|(piece, _)| *piece == wanted);
                    let (piece, text) = piece.ok_or_else(|| mistake("no such piece to import"))?;
                    if taken && self.imported.insert(piece) {
                        self.expand(piece, &text.lines().collect::<Vec<_>>(), 1)?;
                    }
                }
                Some("#repeat") => {
                    let (Some(name), Some(constant)) = (words.next(), words.next()) else {
                        return Err(mistake("#repeat needs a name and a constant"));
                    };
                    let count = self.constants.iter().find(|(name, _)| *name == constant);
                    let body = &lines[at + 1..];
                    let length = repeated(body).ok_or_else(|| mistake("#repeat without #end"))?;
                    if taken {
                        let (_, count) = count.ok_or_else(|| mistake("no such constant"))?;
                        for i in 0..*count {
                            let _ = writeln!(self.out, "{{ const {name}: u32 = {i}u;");
                            self.expand(file, &body[..length], first + at + 1)?;
                            self.out.push_str("}\n");
                        }
                    }
                    at += 1 + length;
                }
                Some(word) if word.starts_with('#') => return Err(mistake("unknown directive, or one out of place")),
                _ if taken => {
                    self.out.push_str(line);
                    self.out.push('\n');
                }
                _ => {}
            }
            at += 1;
        }
        if branches.is_empty() { Ok(()) } else { Err(format!("{file}.wgsl: #ifdef without #endif")) }
    }
}

/// Lines before the `#end` that belongs to the `#repeat` above them.
fn repeated(body: &[&str]) -> Option<usize> {
    let mut depth = 1;
    body.iter().position(|line| {
        match line.split_whitespace().next() {
            Some("#repeat") => depth += 1,
            Some("#end") => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &'static str, defines: &[&'static str]) -> Result<String, String> {
        let constants = &[("TWO", 2)];
        let mut expansion = Expansion {
            defines: &Vec::from(defines),
            constants,
            snippet: None,
            imported: HashSet::new(),
            out: String::new(),
        };
        expansion.expand("test", &text.lines().collect::<Vec<_>>(), 1)?;
        Ok(expansion.out)
    }

    #[test]
    fn a_repeated_block_has_its_number_as_a_constant() {
        let text = "#repeat i TWO\na\n#repeat j TWO\nb\n#end\n#ifdef A\nc\n#endif\n#end\nd";
        let inner = "{ const j: u32 = 0u;\nb\n}\n{ const j: u32 = 1u;\nb\n}\n";
        let expected = format!("{{ const i: u32 = 0u;\na\n{inner}}}\n{{ const i: u32 = 1u;\na\n{inner}}}\nd\n");
        assert_eq!(run(text, &[]).unwrap(), expected);
        assert_eq!(run("#repeat i TWO\na", &[]).unwrap_err(), "test.wgsl:1: #repeat without #end");
        assert_eq!(run("a\n#repeat i THREE\n#end", &[]).unwrap_err(), "test.wgsl:2: no such constant");
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
        assert_eq!(run("#define A", &[]).unwrap_err(), "test.wgsl:1: unknown directive, or one out of place");
    }

    #[test]
    fn a_piece_is_imported_once() {
        let out = run("#import shared/grid\n#import shared/grid", &[]).unwrap();
        assert_eq!(out.matches("fn flat_group").count(), 1);
    }
}
