//! What is published where: addresses, checksums and licences of the data sets.

/// A checksum as its publisher gives it, in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// MD5.
    Md5(&'static str),
    /// SHA-256.
    Sha256(&'static str),
}

/// A file to be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its name in the directory of the data set.
    pub name: &'static str,
    /// Its address.
    pub address: &'static str,
    /// None where its publisher gives none: then what it holds is checked when it is read.
    pub checksum: Option<Checksum>,
}

/// A published data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name of the data set, and of its directory.
    pub name: &'static str,
    /// Licence.
    pub licence: &'static str,
    /// Where it is described.
    pub page: &'static str,
    /// Files that can be fetched; none where somebody has to agree to something, or to convert it first.
    pub files: &'static [Remote],
    /// What to do by hand after that, or instead.
    pub then: &'static str,
}

const fn file(name: &'static str, address: &'static str, md5: &'static str) -> Remote {
    Remote { name, address, checksum: Some(Checksum::Md5(md5)) }
}

/// All data sets that come as files.
pub const SOURCES: &[Source] = &[
    Source {
        name: "mnist",
        licence: "CC BY-SA 3.0 (as usually stated)",
        page: "yann.lecun.com/exdb/mnist",
        files: &[
            file(
                "train-images-idx3-ubyte.gz",
                "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            ),
            file(
                "train-labels-idx1-ubyte.gz",
                "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz",
                "d53e105ee54ea40749a09fcbcd1e9432",
            ),
            file(
                "t10k-images-idx3-ubyte.gz",
                "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz",
                "9fb629c4189551a2d022fa330f9573f3",
            ),
            file(
                "t10k-labels-idx1-ubyte.gz",
                "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz",
                "ec29112dd5afa0611ce80d1b7f02629c",
            ),
        ],
        then: "",
    },
    Source {
        name: "fashion-mnist",
        licence: "MIT",
        page: "github.com/zalandoresearch/fashion-mnist",
        files: &[
            file(
                "train-images-idx3-ubyte.gz",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            ),
            file(
                "train-labels-idx1-ubyte.gz",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-labels-idx1-ubyte.gz",
                "25c81989df183df01b3e8a0aad5dffbe",
            ),
            file(
                "t10k-images-idx3-ubyte.gz",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-images-idx3-ubyte.gz",
                "bef4ecab320f06d8554ea6380940ec79",
            ),
            file(
                "t10k-labels-idx1-ubyte.gz",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-labels-idx1-ubyte.gz",
                "bb300cfdad3c16e7a12a480ee83cd310",
            ),
        ],
        then: "",
    },
    Source {
        name: "fsdd",
        licence: "CC BY-SA 4.0",
        page: "github.com/Jakobovski/free-spoken-digit-dataset",
        files: &[Remote {
            name: "fsdd.zip",
            address: "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.zip",
            checksum: None,
        }],
        then: "",
    },
    Source {
        name: "shd",
        licence: "CC BY 4.0",
        page: "zenkelab.org/resources/spiking-heidelberg-datasets-shd",
        files: &[
            file(
                "shd_train.h5.zip",
                "https://zenkelab.org/datasets/shd_train.h5.zip",
                "f3252aeb598ac776c1b526422d90eecb",
            ),
            file(
                "shd_test.h5.zip",
                "https://zenkelab.org/datasets/shd_test.h5.zip",
                "1503a5064faa34311c398fb0a1ed0a6f",
            ),
        ],
        then: "spikegrad data convert shd",
    },
    Source {
        name: "ssc",
        licence: "CC BY 4.0",
        page: "zenkelab.org/resources/spiking-heidelberg-datasets-shd",
        files: &[
            file(
                "ssc_train.h5.zip",
                "https://zenkelab.org/datasets/ssc_train.h5.zip",
                "d102be95e7144fcc0553d1f45ba94170",
            ),
            file(
                "ssc_valid.h5.zip",
                "https://zenkelab.org/datasets/ssc_valid.h5.zip",
                "b4eee3516a4a90dd0c71a6ac23a8ae43",
            ),
            file(
                "ssc_test.h5.zip",
                "https://zenkelab.org/datasets/ssc_test.h5.zip",
                "a35ff1e9cffdd02a20eb850c17c37748",
            ),
        ],
        then: "spikegrad data convert ssc",
    },
    Source {
        name: "nmnist",
        licence: "CC BY-SA 4.0",
        page: "garrickorchard.com/datasets/n-mnist",
        files: &[
            file(
                "Train.zip",
                "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded",
                "20959b8e626244a1b502305a9e6e2031",
            ),
            file(
                "Test.zip",
                "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded",
                "69ca8762b2fe404d9b9bad1103e97832",
            ),
        ],
        then: "spikegrad data convert nmnist",
    },
    Source {
        name: "dvs-gesture",
        licence: "CC BY 4.0, to be agreed to on its page",
        page: "research.ibm.com/interactive/dvsgesture",
        files: &[],
        then: "get DvsGesture.tar.gz from its page, unpack it into DIR/dvs-gesture, then spikegrad data convert dvs-gesture",
    },
    Source {
        name: "braille",
        licence: "CC BY 4.0",
        page: "doi.org/10.5281/zenodo.6556273",
        files: &[],
        then: "make braille.npz from the published file as docs/data.md says, and put it into DIR/braille",
    },
    Source {
        name: "ecg",
        licence: "ODC-BY (recordings), MIT (code)",
        page: "physionet.org/content/qtdb, github.com/byin-cwi/Efficient-spiking-networks",
        files: &[],
        then: "make qtdb_train.npz and qtdb_test.npz as docs/data.md says, and put them into DIR/ecg",
    },
];

impl Source {
    /// The source of a data set; None of one that is generated.
    pub fn named(name: &str) -> Option<&'static Source> {
        SOURCES.iter().find(|source| source.name == name)
    }
}
