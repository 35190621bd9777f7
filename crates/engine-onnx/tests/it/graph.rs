//! Small ONNX files, written by hand: `onnx.proto` has the numbers of the fields.

/// What is wrong with a file, or nothing.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) operator: &'static str,
    pub(crate) inputs: i64,
    pub(crate) classes: i64,
    /// Type of input and output: 1 is float32, 7 is int64.
    pub(crate) element: u64,
    pub(crate) description: Option<String>,
}

impl Default for Graph {
    fn default() -> Self {
        Self {
            operator: "Gemm",
            inputs: 8,
            classes: 2,
            element: 1,
            description: Some(description(8, &["benign", "attack"])),
        }
    }
}

/// The description of byte features.
pub(crate) fn description(buckets: usize, labels: &[&str]) -> String {
    let features = format!(
        r#"{{"kind": "hashed_ngrams", "unit": "byte", "from": 1, "to": 2, "buckets": {buckets}, "max_bytes": 100}}"#
    );
    format!(r#"{{"version": 1, "labels": {labels:?}, "output": "logits", "features": {features}}}"#)
}

impl Graph {
    /// `ModelProto`: one node from the input and two tensors to the output.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let node =
            [text(1, "features"), text(1, "weights"), text(1, "bias"), text(2, "logits"), text(4, self.operator)];
        let weights: Vec<f32> = (0..self.inputs * self.classes).map(|place| (place % 5) as f32 - 2.0).collect();
        let bias: Vec<f32> = (0..self.classes).map(|place| place as f32 / 4.0).collect();
        let graph = [
            part(1, &node.concat()),
            text(2, "small"),
            part(5, &tensor("weights", &[self.inputs, self.classes], &weights)),
            part(5, &tensor("bias", &[self.classes], &bias)),
            part(11, &self.value("features", self.inputs)),
            part(12, &self.value("logits", self.classes)),
        ];
        let opset = [number(2, 17)].concat();
        let mut model = [number(1, 8), part(7, &graph.concat()), part(8, &opset)].concat();
        if let Some(description) = &self.description {
            let property = [text(1, weighbridge_engine_onnx::DESCRIPTION_KEY), text(2, description)];
            model.extend(part(14, &property.concat()));
        }
        model
    }

    /// `ValueInfoProto` of `[texts, size]`.
    fn value(&self, name: &str, size: i64) -> Vec<u8> {
        let shape = [part(1, &text(2, "texts")), part(1, &number(1, size.unsigned_abs()))].concat();
        let tensor = [number(1, self.element), part(2, &shape)].concat();
        [text(1, name), part(2, &part(1, &tensor))].concat()
    }
}

fn tensor(name: &str, dimensions: &[i64], values: &[f32]) -> Vec<u8> {
    let mut bytes: Vec<u8> = dimensions.iter().flat_map(|size| number(1, size.unsigned_abs())).collect();
    bytes.extend(number(2, 1));
    bytes.extend(text(8, name));
    bytes.extend(part(9, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()));
    bytes
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push(value.to_le_bytes()[0] | 128);
        value /= 128;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field * 8), varint(value)].concat()
}

fn part(field: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(field * 8 + 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn text(field: u64, value: &str) -> Vec<u8> {
    part(field, value.as_bytes())
}
