//! What Python sees of it; `otel_llm_native.pyi` says what each part means.
#![allow(clippy::needless_pass_by_value)] // arguments as PyO3 makes them

mod fields;
mod search;
mod shape;
mod spans;

use std::panic::{AssertUnwindSafe, catch_unwind};

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::shape::{Message, Rule};
use crate::spans::{Columns, SINGLE, signed};

/// Counts what has changed of this between two releases: a wheel of another one is not used.
const INTERFACE: u32 = 3;

#[pyclass(frozen)]
struct Shape(shape::Shape);

#[pymethods]
impl Shape {
    #[new]
    fn new(messages: Vec<Vec<(u64, String, usize)>>, counted: usize) -> PyResult<Self> {
        let known = messages.len();
        let messages = messages.into_iter().map(|fields| message(&fields, known)).collect::<PyResult<_>>()?;
        Ok(Self(shape::Shape { messages, counted }))
    }

    fn count(&self, py: Python<'_>, data: &[u8]) -> Option<usize> {
        py.detach(|| guarded(|| self.0.count(data)).ok().flatten())
    }
}

/// One message of so many, from the number, kind and argument of its fields.
fn message(fields: &[(u64, String, usize)], known: usize) -> PyResult<Message> {
    let rules = fields.iter().map(|(number, kind, argument)| {
        let (rule, wire_type) = match kind.as_str() {
            "varint" => (Rule::Varint, fields::VARINT),
            "fixed64" => (Rule::Fixed64, fields::FIXED64),
            "fixed32" => (Rule::Fixed32, fields::FIXED32),
            "bytes" => (Rule::Bytes, fields::LENGTH),
            "text" => (Rule::Text, fields::LENGTH),
            "message" if *argument < known => (Rule::Message(*argument), fields::LENGTH),
            "id" => (Rule::Id(*argument), fields::LENGTH),
            _ => {
                return Err(PyValueError::new_err(format!("no field {number} is {kind} {argument}")));
            }
        };
        Ok((number << 3 | wire_type, rule))
    });
    let rules = rules.collect::<PyResult<Vec<_>>>()?;
    Message::new(&rules).ok_or_else(|| PyValueError::new_err("a field's number is too large"))
}

/// What some work comes to. A panic of ours is an exception as any other, which Python's own of that name is not.
fn guarded<T>(work: impl FnOnce() -> T) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| PyRuntimeError::new_err("a fault of otel-llm-native"))
}

type Ints<'py> = Bound<'py, PyArray1<i64>>;

#[pyfunction]
fn inner<'py>(
    py: Python<'py>,
    octets: PyReadonlyArray1<'py, u8>,
    start: usize,
    end: usize,
    tag: u64,
) -> PyResult<Option<(Ints<'py>, Ints<'py>, Bound<'py, PyBytes>)>> {
    let data = octets.as_slice()?;
    let found = guarded(|| spans::inner(data, start, end, tag)).ok().flatten();
    Ok(found.map(|(starts, ends, rest)| (starts.into_pyarray(py), ends.into_pyarray(py), PyBytes::new(py, &rest))))
}

#[pyfunction]
fn heads<'py>(
    py: Python<'py>,
    octets: PyReadonlyArray1<'py, u8>,
    starts: PyReadonlyArray1<'py, i64>,
    ends: PyReadonlyArray1<'py, i64>,
) -> PyResult<(Ints<'py>, Ints<'py>)> {
    let data = octets.as_slice()?;
    let places = places(&starts, &ends)?;
    let heads = places.map(|(start, end)| spans::head(data, start, end));
    let (traces, began): (Vec<_>, Vec<_>) =
        guarded(|| heads.map(|(trace, began)| (signed(trace), began.cast_signed())).unzip())?;
    Ok((traces.into_pyarray(py), began.into_pyarray(py)))
}

/// Pairs of places, or of a place and a size.
fn places<'a>(
    starts: &'a PyReadonlyArray1<i64>,
    ends: &'a PyReadonlyArray1<i64>,
) -> PyResult<impl Iterator<Item = (usize, usize)> + 'a> {
    let (starts, ends) = (starts.as_slice()?, ends.as_slice()?);
    Ok(starts.iter().zip(ends).map(|(&start, &end)| (place(start), place(end))))
}

/// A place that is none is behind all.
fn place(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[pyfunction]
fn views<'py>(
    py: Python<'py>,
    octets: PyReadonlyArray1<'py, u8>,
    starts: PyReadonlyArray1<'py, i64>,
    sizes: PyReadonlyArray1<'py, i64>,
    buffer: u32,
) -> PyResult<Option<Py<PyArray2<u64>>>> {
    let data = octets.as_slice()?;
    let ranges = places(&starts, &sizes)?;
    let Some(found) = guarded(|| spans::views(data, ranges, buffer))? else { return Ok(None) };
    let shape = [found.len(), 2];
    two_deep(py, found.into_flattened(), shape).map(Some)
}

#[pyclass(frozen, get_all)]
struct Spans {
    starts: Py<PyArray2<i64>>,
    ends: Py<PyArray2<i64>>,
    has_events: Py<PyArray1<bool>>,
    is_odd: Py<PyArray1<bool>>,
    rest: Vec<(i64, i64, i64)>,
    names: Vec<String>,
    bounds: Py<PyArray1<i64>>,
    row: Py<PyArray1<i64>>,
    order: Py<PyArray1<i64>>,
    letter: Py<PyArray1<u8>>,
    value: Py<PyArray2<u64>>,
}

#[pyfunction]
fn read(
    py: Python<'_>,
    octets: PyReadonlyArray1<'_, u8>,
    starts: PyReadonlyArray1<'_, i64>,
    ends: PyReadonlyArray1<'_, i64>,
) -> PyResult<Spans> {
    let data = octets.as_slice()?;
    let (rows, places) = (starts.len(), places(&starts, &ends)?);
    let (columns, attributes) = guarded(|| {
        let mut columns = Columns::new(rows);
        for (row, (start, end)) in places.enumerate() {
            columns.read(row, data, start, end);
        }
        let attributes = columns.attributes();
        (columns, attributes)
    })?;
    Ok(Spans {
        starts: two_deep(py, columns.starts, [SINGLE.len(), rows])?,
        ends: two_deep(py, columns.ends, [SINGLE.len(), rows])?,
        has_events: columns.has_events.into_pyarray(py).unbind(),
        is_odd: columns.is_odd.into_pyarray(py).unbind(),
        rest: columns.rest,
        names: attributes.names,
        bounds: attributes.bounds.into_iter().map(signed).collect::<Vec<_>>().into_pyarray(py).unbind(),
        row: attributes.rows.into_pyarray(py).unbind(),
        order: attributes.order.into_pyarray(py).unbind(),
        letter: attributes.letters.into_pyarray(py).unbind(),
        value: {
            let shape = [attributes.values.len(), 2];
            two_deep(py, attributes.values.into_flattened(), shape)?
        },
    })
}

#[pyclass(frozen)]
struct Patterns(search::Patterns);

#[pymethods]
impl Patterns {
    #[new]
    fn new(patterns: Vec<String>) -> PyResult<Self> {
        search::Patterns::new(&patterns).map(Self).map_err(PyValueError::new_err)
    }

    fn search<'py>(
        &self,
        py: Python<'py>,
        octets: PyReadonlyArray1<'py, u8>,
        views: PyReadonlyArray2<'py, u64>,
    ) -> PyResult<Bound<'py, PyArray1<u8>>> {
        let data = octets.as_slice()?;
        if views.shape()[1] != 2 {
            return Err(PyValueError::new_err("a view is two words"));
        }
        let views: Vec<_> = views.as_slice()?.chunks_exact(2).map(|view| [view[0], view[1]]).collect();
        let found = guarded(|| self.0.search(data, &views))?;
        let found = found.ok_or_else(|| PyValueError::new_err("a view leads out of the octets"))?;
        Ok(found.into_pyarray(py))
    }
}

/// A vector as an array of so many rows and columns.
fn two_deep<T: numpy::Element>(py: Python<'_>, all: Vec<T>, shape: [usize; 2]) -> PyResult<Py<PyArray2<T>>> {
    Ok(all.into_pyarray(py).reshape(shape)?.unbind())
}

#[pymodule]
fn otel_llm_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("INTERFACE", INTERFACE)?;
    module.add_class::<Shape>()?;
    module.add_class::<Spans>()?;
    module.add_class::<Patterns>()?;
    module.add_function(wrap_pyfunction!(inner, module)?)?;
    module.add_function(wrap_pyfunction!(views, module)?)?;
    module.add_function(wrap_pyfunction!(heads, module)?)?;
    module.add_function(wrap_pyfunction!(read, module)?)
}
