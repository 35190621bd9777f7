//! Conversations to text, by the model's own template.

use minijinja::{Environment, Error, ErrorKind, context};
use weighbridge_engine::prompt::{ChatForm, Rendered};
use weighbridge_engine::{Message, Role};

/// Name of the template inside its environment.
const NAME: &str = "chat";

/// A conversation that could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The model's template is not valid.
    #[error("read the model's chat template: {0}")]
    Template(#[source] Error),
    /// The template refuses this conversation, such as one that begins with the assistant.
    #[error("render the conversation: {0}")]
    Render(#[source] Error),
}

/// A chat template, or the plain form that stands in for it.
///
/// Templates are Jinja as Hugging Face uses it, with `messages`, `add_generation_prompt`, `bos_token`, `eos_token` and
/// `raise_exception`. There is no `strftime_now`: a prompt that changes with the date cannot be repeated. A model
/// without a template gets `Role: content` lines, ending in `Assistant:`.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Option<Environment<'static>>,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// Reads a template; `bos` and `eos` are the texts of those tokens, empty where there are none.
    ///
    /// # Errors
    /// [`ChatError::Template`].
    pub fn new(source: Option<&str>, bos: String, eos: String) -> Result<Self, ChatError> {
        let environment = source.map(read).transpose().map_err(ChatError::Template)?;
        Ok(Self { environment, bos, eos })
    }

    /// Renders a conversation up to the answer.
    ///
    /// # Errors
    /// [`ChatError::Render`].
    pub fn render(&self, messages: &[Message]) -> Result<Rendered, ChatError> {
        let Some(environment) = &self.environment else {
            return Ok(Rendered { text: plain(messages), wants_bos: true });
        };
        let messages: Vec<_> = messages
            .iter()
            .map(|message| context! { role => message.role.name(), content => message.content })
            .collect();
        let variables = context! {
            messages,
            add_generation_prompt => true,
            bos_token => self.bos,
            eos_token => self.eos,
        };
        let rendered = environment.get_template(NAME).and_then(|template| template.render(variables));
        Ok(Rendered { text: rendered.map_err(ChatError::Render)?, wants_bos: false })
    }
}

impl ChatForm for ChatTemplate {
    fn render(&self, messages: &[Message]) -> Result<Rendered, String> {
        self.render(messages).map_err(|error| error.to_string())
    }
}

/// Templates are written for Jinja2 with `trim_blocks` and `lstrip_blocks`, and call methods of Python's strings,
/// lists and dictionaries.
fn read(source: &str) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_template_owned(NAME, source.to_owned())?;
    Ok(environment)
}

fn plain(messages: &[Message]) -> String {
    let line = |message: &Message| {
        let role = match message.role {
            Role::System => "System",
            Role::User => "User",
            Role::Assistant => "Assistant",
            Role::Tool => "Tool",
        };
        format!("{role}: {}\n", message.content)
    };
    messages.iter().map(line).chain(["Assistant:".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHATML: &str = "{%- for message in messages %}\n    {%- if loop.first and message['role'] == 'tool' %}\n        \
        {{- raise_exception('begins with a tool') }}\n    {%- endif %}\n    \
        {{- '<|im_start|>' + message.role + '\\n' + message.content.strip() + '<|im_end|>\\n' }}\n{%- endfor %}\n\
        {%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}";

    fn say(role: Role, content: &str) -> Message {
        Message { role, content: content.to_owned() }
    }

    fn render(source: Option<&str>, messages: &[Message]) -> Result<Rendered, ChatError> {
        ChatTemplate::new(source, "<s>".to_owned(), "</s>".to_owned())?.render(messages)
    }

    #[test]
    fn a_template_renders_as_in_python() {
        let conversation = [say(Role::System, "Be brief."), say(Role::User, " Hi ")];
        let rendered = render(Some(CHATML), &conversation).unwrap();
        let expected =
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
        assert_eq!(rendered, Rendered { text: expected.to_owned(), wants_bos: false });
    }

    #[test]
    fn special_tokens_are_known_to_the_template() {
        let rendered =
            render(Some("{{ bos_token }}{{ messages[0]['content'] }}{{ eos_token }}"), &[say(Role::User, "x")]);
        assert_eq!(rendered.unwrap().text, "<s>x</s>");
    }

    #[test]
    fn without_a_template_the_form_is_plain() {
        let rendered = render(None, &[say(Role::User, "Hi"), say(Role::Assistant, "Yes?"), say(Role::User, "Bye")]);
        let text = "User: Hi\nAssistant: Yes?\nUser: Bye\nAssistant:".to_owned();
        assert_eq!(rendered.unwrap(), Rendered { text, wants_bos: true });
    }

    #[test]
    fn refusals_and_broken_templates_are_errors() {
        let error = render(Some(CHATML), &[say(Role::Tool, "x")]).unwrap_err();
        assert!(error.to_string().contains("begins with a tool"), "{error}");
        assert!(matches!(render(Some("{% for %}"), &[]), Err(ChatError::Template(_))));
        assert!(matches!(render(Some("{{ strftime_now('%Y') }}"), &[]), Err(ChatError::Render(_))));
    }
}
