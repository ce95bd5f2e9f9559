//! The data sets that a training file can name. One table registers them all.

#[cfg(feature = "data")]
use super::{Braille, DvsGesture, Ecg, FashionMnist, Fsdd, Mnist, Nmnist, Shd, Ssc};
use super::{Poisson, Randman, Split, YinYang};
use crate::error::Result;
use crate::network::typed;
use std::path::PathBuf;
use toml::Value;

/// What a data set can be asked, whichever it is.
pub trait Parameters {
    /// Writes out what was left to the data set.
    fn fill_in(&mut self) {}

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`crate::Error::Network`] with the key (`data.steps`) and what is allowed there.
    fn validate(&self) -> Result<()>;

    /// Generates or loads the data. What is drawn is drawn from `seed`, unless the parameters have their own.
    ///
    /// # Errors
    /// [`crate::Error::File`] where a file is missing or not what it should be.
    fn load(&self, seed: u64) -> Result<Split>;

    /// Where the directory of data files stands; None where there are no files.
    fn directory(&mut self) -> Option<&mut Option<PathBuf>> {
        None
    }

    /// The name of input channel `index` for people.
    fn channel_name(&self, index: usize) -> String {
        format!("channel {index}")
    }

    /// The name of class `index` for people.
    fn class_name(&self, index: usize) -> String {
        index.to_string()
    }
}

macro_rules! tasks {
    ($($(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])? $variant:ident($type:ty) = $name:literal, $about:literal;)*) => {
        /// The table `[data]`: the parameters of the task.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Task {
            $($(#[doc = $doc])* $(#[cfg($cfg)])? $variant($type),)*
        }

        impl Task {
            /// Names by which `[train] data` asks for them.
            pub const NAMES: &[&str] = &[$($(#[cfg($cfg)])? $name),*];

            /// The same with what each is, in a line.
            pub const ABOUT: &[(&str, &str)] = &[$($(#[cfg($cfg)])? ($name, $about)),*];

            /// The task `name` with the parameters of a table; None where there is no such task.
            ///
            /// # Errors
            /// [`crate::Error::Network`] with the key.
            pub(crate) fn read(name: &str, table: Value) -> Result<Option<Task>> {
                let mut task = match name {
                    $($(#[cfg($cfg)])? $name => Task::$variant(typed(table)?),)*
                    _ => return Ok(None),
                };
                task.parameters_mut().fill_in();
                Ok(Some(task))
            }

            /// The name under which `[train]` asks for the task.
            pub fn name(&self) -> &'static str {
                match self {
                    $($(#[cfg($cfg)])? Task::$variant(_) => $name,)*
                }
            }

            /// The parameters, every one written out.
            pub(crate) fn to_toml(&self) -> String {
                let text = match self {
                    $($(#[cfg($cfg)])? Task::$variant(parameters) => toml::to_string(parameters),)*
                };
                text.expect("plain data")
            }

            fn parameters(&self) -> &dyn Parameters {
                match self {
                    $($(#[cfg($cfg)])? Task::$variant(parameters) => parameters,)*
                }
            }

            fn parameters_mut(&mut self) -> &mut dyn Parameters {
                match self {
                    $($(#[cfg($cfg)])? Task::$variant(parameters) => parameters,)*
                }
            }
        }
    };
}

tasks! {
    /// Random manifolds.
    Randman(Randman) = "randman", "random manifolds of spike times, generated";
    /// The Yin-Yang task.
    YinYang(YinYang) = "yin-yang", "points of a yin-yang sign, generated";
    /// Random rasters with random labels.
    Poisson(Poisson) = "poisson", "random rasters with random labels, generated";
    /// Handwritten digits.
    #[cfg(feature = "data")]
    Mnist(Mnist) = "mnist", "handwritten digits";
    /// Clothes.
    #[cfg(feature = "data")]
    FashionMnist(FashionMnist) = "fashion-mnist", "pictures of clothes";
    /// Braille letters.
    #[cfg(feature = "data")]
    Braille(Braille) = "braille", "Braille letters under a tactile fingertip";
    /// Electrocardiograms.
    #[cfg(feature = "data")]
    Ecg(Ecg) = "ecg", "electrocardiograms with the wave of each step";
    /// Spoken digits.
    #[cfg(feature = "data")]
    Fsdd(Fsdd) = "fsdd", "spoken digits, as recordings";
    /// Spoken digits through a model of the inner ear.
    #[cfg(feature = "data")]
    Shd(Shd) = "shd", "Spiking Heidelberg Digits: spoken digits through a model of the inner ear";
    /// Spoken words through a model of the inner ear.
    #[cfg(feature = "data")]
    Ssc(Ssc) = "ssc", "Spiking Speech Commands: spoken words through a model of the inner ear";
    /// MNIST before a moving event camera.
    #[cfg(feature = "data")]
    Nmnist(Nmnist) = "nmnist", "MNIST before a moving event camera";
    /// Gestures before an event camera.
    #[cfg(feature = "data")]
    DvsGesture(DvsGesture) = "dvs-gesture", "gestures before an event camera";
}

impl Task {
    /// The task `name` as it is usual.
    ///
    /// # Errors
    /// [`crate::Error::Input`] with the list of names where there is no such task.
    pub fn named(name: &str) -> Result<Task> {
        let task = Task::read(name, Value::Table(toml::Table::new()))?;
        task.ok_or_else(|| crate::Error::Input(crate::suggest::unknown("data set", name, Task::NAMES)))
    }

    /// Generates or loads the data; `seed` is that of the run.
    ///
    /// # Errors
    /// [`crate::Error::File`] where a file is missing or not what it should be.
    pub fn load(&self, seed: u64) -> Result<Split> {
        self.parameters().load(seed)
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`crate::Error::Network`] with the key and what is allowed there.
    pub fn validate(&self) -> Result<()> {
        self.parameters().validate()
    }

    /// Sets the directory of data files, where the task reads any.
    pub fn set_directory(&mut self, directory: PathBuf) {
        if let Some(place) = self.parameters_mut().directory() {
            *place = Some(directory);
        }
    }

    /// The name of input channel `index` for people.
    pub fn channel_name(&self, index: usize) -> String {
        self.parameters().channel_name(index)
    }

    /// The name of class `index` for people: a letter, or the number.
    pub fn class_name(&self, index: usize) -> String {
        self.parameters().class_name(index)
    }
}
