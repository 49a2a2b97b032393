package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tutti/bridge"
	"tutti/bridge/store"
)

// Option adds something to the API.
type Option func(*api)

// Definitions says which definitions the API shows and changes. Without it there are some that nothing keeps.
func Definitions(c *store.Catalogue) Option { return func(a *api) { a.catalogue = c } }

// Definition is a conference known beforehand, as it is. PINs never leave the bridge.
type Definition struct {
	bridge.Definition

	Schedule        *store.Schedule `json:"schedule,omitempty"`
	HasPIN          bool            `json:"hasPIN,omitempty" doc:"everybody needs a PIN"`
	HasModeratorPIN bool            `json:"hasModeratorPIN,omitempty" doc:"a PIN makes moderators"`
	URI             string          `json:"uri" doc:"what phones dial"`
	Page            string          `json:"page,omitempty" doc:"what browsers open"`
	Revision        uint64          `json:"revision,omitempty" doc:"grows with every change; the ETag"`
	Changed         time.Time       `json:"changed,omitzero" required:"false"`
	ReadOnly        bool            `json:"readOnly,omitempty"`
	File            string          `json:"file,omitempty" doc:"where a read-only one is written"`
}

// DefinitionDraft is a definition as it is wanted.
type DefinitionDraft struct {
	bridge.Definition

	PIN          *string         `json:"pin,omitempty" maxLength:"32" pattern:"^[0-9]*$" doc:"that everybody needs; absent keeps the one there is, empty is none"`
	ModeratorPIN *string         `json:"moderatorPIN,omitempty" maxLength:"32" pattern:"^[0-9]*$" doc:"that makes its bearer a moderator; absent keeps the one there is, empty is none"`
	Schedule     *store.Schedule `json:"schedule,omitempty"`
}

func (d DefinitionDraft) draft() store.Draft {
	return store.Draft{Definition: d.Definition, PIN: d.PIN, ModeratorPIN: d.ModeratorPIN, Schedule: d.Schedule}
}

type definitionList struct {
	Body struct {
		Definitions []Definition `json:"definitions" nullable:"false" doc:"by name"`
	}
}

type definitionAnswer struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     Definition
}

type definitionCreated struct{ Body DefinitionDraft }

// Unchanged makes a change only where nothing else was changed meanwhile. It is exported because huma sets embedded fields.
type Unchanged struct {
	IfMatch string `header:"If-Match" doc:"the ETag that the change is about; absent is whichever there is"`
}

type definitionReplaced struct {
	Named
	Unchanged

	Body DefinitionDraft
}

type definitionDeleted struct {
	Named
	Unchanged
}

type invitation struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

const calendarType = "text/calendar; charset=utf-8"

func (a *api) definitions(h huma.API) {
	const all, one = "/definitions", "/definitions/{name}"
	huma.Register(h, operation("list-definitions", http.MethodGet, all, "All conferences that are defined"),
		func(context.Context, *struct{}) (*definitionList, error) { return a.listDefinitions(), nil })
	create := operation("create-definition", http.MethodPost, all, "Define a conference")
	create.DefaultStatus = http.StatusCreated
	huma.Register(h, create, a.createDefinition)
	huma.Register(h, operation("show-definition", http.MethodGet, one, "One definition"), a.showDefinition)
	huma.Register(h, conditional(operation("replace-definition", http.MethodPut, one, "Change a definition as a whole")), a.replaceDefinition)
	huma.Register(h, conditional(empty("delete-definition", http.MethodDelete, one, "Forget a definition; a conference that goes on goes on")),
		a.deleteDefinition)
	invite := operation("invite", http.MethodGet, one+"/invitation.ics", "The schedule as iCalendar (RFC 5545), with where to go")
	invite.Responses = map[string]*huma.Response{"200": {
		Description: "For a calendar; no PIN is in it",
		Content:     map[string]*huma.MediaType{"text/calendar": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	huma.Register(h, invite, a.invitation)
}

// conditional is an operation that may come too late.
func conditional(o huma.Operation) huma.Operation {
	o.Errors = append(o.Errors, http.StatusPreconditionFailed)
	return o
}

func (a *api) definition(r store.Record) Definition {
	return Definition{
		Definition: r.Definition, Schedule: r.Schedule, HasPIN: r.PIN != "", HasModeratorPIN: r.ModeratorPIN != "",
		URI: a.bridge.URI(r.Name), Page: a.catalogue.Page(r.Name), Revision: r.Revision, Changed: r.Changed, ReadOnly: r.ReadOnly(), File: r.File,
	}
}

func (a *api) answer(r store.Record, err error) (*definitionAnswer, error) {
	if err != nil {
		return nil, problem(err)
	}
	return &definitionAnswer{ETag: `"` + strconv.FormatUint(r.Revision, 10) + `"`, Body: a.definition(r)}, nil
}

func (a *api) listDefinitions() *definitionList {
	out := &definitionList{}
	out.Body.Definitions = []Definition{}
	for _, r := range a.catalogue.All() {
		out.Body.Definitions = append(out.Body.Definitions, a.definition(r))
	}
	return out
}

func (a *api) showDefinition(_ context.Context, in *Named) (*definitionAnswer, error) {
	return a.answer(a.catalogue.Get(in.Name))
}

func (a *api) createDefinition(ctx context.Context, in *definitionCreated) (*definitionAnswer, error) {
	out, err := a.answer(a.catalogue.Create(ctx, in.Body.draft()))
	if err == nil {
		out.Location = Root + "/definitions/" + url.PathEscape(in.Body.Name)
	}
	return out, err
}

func (a *api) replaceDefinition(ctx context.Context, in *definitionReplaced) (*definitionAnswer, error) {
	if in.Body.Name != in.Name {
		return nil, problem(bridge.RefuseInvalid("name: %q cannot be renamed to %q; delete one and create the other", in.Name, in.Body.Name))
	}
	revision, err := in.revision()
	if err != nil {
		return nil, problem(err)
	}
	return a.answer(a.catalogue.Replace(ctx, in.Body.draft(), revision))
}

func (a *api) deleteDefinition(ctx context.Context, in *definitionDeleted) (*struct{}, error) {
	revision, err := in.revision()
	if err == nil {
		err = a.catalogue.Delete(ctx, in.Name, revision)
	}
	return nil, problem(err)
}

func (a *api) invitation(_ context.Context, in *Named) (*invitation, error) {
	text, err := a.catalogue.Invitation(in.Name)
	if err != nil {
		return nil, problem(err)
	}
	return &invitation{calendarType, text}, nil
}

// revision is the one that a change is about, 0 for whichever there is (RFC 9110 §13.1.1).
func (u Unchanged) revision() (uint64, error) {
	tag := strings.TrimSpace(u.IfMatch)
	if tag == "" || tag == "*" {
		return 0, nil
	}
	n, err := strconv.ParseUint(strings.Trim(tag, `"`), 10, 64)
	if err != nil || n == 0 {
		return 0, bridge.RefuseInvalid("If-Match: %s is not the ETag of a definition", tag)
	}
	return n, nil
}
