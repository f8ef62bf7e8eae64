//! Deserializes a tree of YAML with serde: scalars keep their text where a string is expected, and errors name
//! the line and field.

use std::{fmt::Display, rc::Rc};

use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{Error, Node, NodeKind, scalar};

impl de::Error for Error {
    fn custom<T: Display>(message: T) -> Error {
        Error { why: message.to_string(), ..Error::default() }
    }
}

impl Error {
    /// Adds the line, unless an inner error has set one already.
    fn at(mut self, line: usize) -> Error {
        self.line.get_or_insert(line);
        self
    }

    fn below(mut self, part: &str) -> Error {
        let dot = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field = format!("{part}{dot}{}", self.field);
        self
    }
}

/// The items of a list, or the pairs of a map.
struct Items<'n> {
    items: std::slice::Iter<'n, Rc<Node>>,
    at: usize,
}

struct Pairs<'n> {
    pairs: std::slice::Iter<'n, (Rc<Node>, Rc<Node>)>,
    value: Option<(&'n Node, &'n Node)>,
    /// The line of the last key; none after the last.
    line: Option<usize>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let value = seed.deserialize(&**item).map_err(|error| error.below(&format!("[{}]", self.at)))?;
        self.at = self.at.saturating_add(1);
        Ok(Some(value))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.pairs.next() else {
            self.line = None;
            return Ok(None);
        };
        self.line = Some(key.line);
        self.value = Some((key, value));
        seed.deserialize(&**key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((key, value)) = self.value.take() else { return Err(de::Error::custom("a value without its key")) };
        let name = match &key.target().kind {
            NodeKind::Scalar { text, .. } => text.as_str(),
            _ => "?",
        };
        seed.deserialize(value).map_err(|error| error.below(name))
    }
}

impl Node {
    fn visit<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Error> {
        match &self.target().kind {
            NodeKind::Scalar { text, plain: true, tag: None } => match scalar::core(text) {
                Value::Null => visitor.visit_unit(),
                Value::Bool(yes) => visitor.visit_bool(yes),
                Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                    (Some(number), ..) => visitor.visit_u64(number),
                    (_, Some(number), _) => visitor.visit_i64(number),
                    (.., number) => visitor.visit_f64(number.unwrap_or_default()),
                },
                _ => visitor.visit_str(text),
            },
            NodeKind::Scalar { text, .. } => visitor.visit_str(text),
            NodeKind::List(items) => visitor.visit_seq(Items { items: items.iter(), at: 0 }),
            NodeKind::Map(pairs) => {
                let mut pairs = Pairs { pairs: pairs.iter(), value: None, line: None };
                // A field that is there twice is found at its key, one that is missing at the end.
                visitor.visit_map(&mut pairs).map_err(|error| error.at(pairs.line.unwrap_or(self.line)))
            }
            NodeKind::Alias(_) => Err(de::Error::custom("an alias of an alias")),
        }
    }

    fn word(&self) -> Option<&str> {
        match &self.target().kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}

impl<'de> de::Deserializer<'de> for &Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit(visitor).map_err(|error| error.at(self.line))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.word() {
            Some(text) => visitor.visit_str(text).map_err(|error: Error| error.at(self.line)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.target().kind {
            NodeKind::Scalar { text, plain: true, tag: None } if scalar::core(text).is_null() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.word() {
            Some(text) => visitor.visit_enum(text.into_deserializer()).map_err(|error: Error| error.at(self.line)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct
    }
}
