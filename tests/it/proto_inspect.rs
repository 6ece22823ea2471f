//! `msvc proto list`, `describe` and `build`.

use std::fs;

use prost_reflect::DescriptorPool;

use crate::support::Sandbox;

const PETS: &str = "syntax = \"proto3\";\n\npackage pets.v1;\n\nimport \"google/protobuf/timestamp.proto\";\n\n\
    // All about pets.\nservice PetService {\n  // Finds one.\n  // Slowly.\n  rpc GetPet(GetPetRequest) returns (Pet);\n\
    \x20 rpc WatchPets(stream GetPetRequest) returns (stream Pet) {\n    option deprecated = true;\n  }\n}\n\n\
    message GetPetRequest {\n  string name = 1; // its name\n}\n\n/* A pet. */\nmessage Pet {\n  enum Kind {\n    KIND_UNSPECIFIED = 0;\n  }\n  Kind kind = 1;\n\
    \x20 google.protobuf.Timestamp born = 2;\n  map<string, string> labels = 3;\n}\n";

fn pets() -> Sandbox {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("pets/v1");
    fs::create_dir_all(&folder).expect("made");
    fs::write(folder.join("pets.proto"), PETS).expect("written");
    sandbox
}

#[test]
fn what_is_defined_is_listed() {
    let sandbox = pets();
    insta::assert_snapshot!(sandbox.msvc(["proto", "list"]), @r"
    exit: 0
    --- stdout ---
    pets.v1
      service PetService
        GetPet(GetPetRequest) returns (Pet)
        WatchPets(stream GetPetRequest) returns (stream Pet)
      message GetPetRequest
      message Pet
      enum Pet.Kind
    ");
    insta::assert_snapshot!(sandbox.msvc(["proto", "list", "--format", "json"]), @r#"
    exit: 0
    --- stdout ---
    [
      {
        "package": "pets.v1",
        "services": [
          {
            "name": "pets.v1.PetService",
            "file": "pets/v1/pets.proto",
            "line": 8,
            "methods": [
              {
                "name": "GetPet",
                "request": "pets.v1.GetPetRequest",
                "response": "pets.v1.Pet",
                "client_streaming": false,
                "server_streaming": false
              },
              {
                "name": "WatchPets",
                "request": "pets.v1.GetPetRequest",
                "response": "pets.v1.Pet",
                "client_streaming": true,
                "server_streaming": true
              }
            ]
          }
        ],
        "messages": [
          {
            "name": "pets.v1.GetPetRequest",
            "file": "pets/v1/pets.proto",
            "line": 17
          },
          {
            "name": "pets.v1.Pet",
            "file": "pets/v1/pets.proto",
            "line": 22
          }
        ],
        "enums": [
          {
            "name": "pets.v1.Pet.Kind",
            "file": "pets/v1/pets.proto",
            "line": 23
          }
        ]
      }
    ]
    "#);
}

#[test]
fn a_definition_is_shown_with_its_comment() {
    let sandbox = pets();
    let describe = |name: &str| sandbox.msvc(["proto", "describe", name]);
    insta::assert_snapshot!(describe("pets.v1.PetService"), @r"
    exit: 0
    --- stdout ---
    // service pets.v1.PetService, pets/v1/pets.proto:8
    // All about pets.
    service PetService {
      // Finds one.
      // Slowly.
      rpc GetPet(GetPetRequest) returns (Pet);
      rpc WatchPets(stream GetPetRequest) returns (stream Pet) {
        option deprecated = true;
      }
    }
    ");
    insta::assert_snapshot!(describe("GetPet"), @r"
    exit: 0
    --- stdout ---
    // method pets.v1.PetService.GetPet, pets/v1/pets.proto:11
    // Finds one.
    // Slowly.
    rpc GetPet(GetPetRequest) returns (Pet);
    ");
    insta::assert_snapshot!(describe("WatchPets"), @r"
    exit: 0
    --- stdout ---
    // method pets.v1.PetService.WatchPets, pets/v1/pets.proto:12
    rpc WatchPets(stream GetPetRequest) returns (stream Pet) {
      option deprecated = true;
    }
    ");
    insta::assert_snapshot!(describe("Pet.Kind"), @r"
    exit: 0
    --- stdout ---
    // enum pets.v1.Pet.Kind, pets/v1/pets.proto:23
    enum Kind {
      KIND_UNSPECIFIED = 0;
    }
    ");
    insta::assert_snapshot!(describe("google.protobuf.Timestamp"), @r"
    exit: 0
    --- stdout ---
    // message google.protobuf.Timestamp, google/protobuf/timestamp.proto
    message Timestamp {
      int64 seconds = 1;
      int32 nanos = 2;
    }
    ");
    insta::assert_snapshot!(
        sandbox.msvc(["proto", "describe", "GetPetRequest.name", "--format", "json"]),
        @r#"
    exit: 0
    --- stdout ---
    {
      "name": "pets.v1.GetPetRequest.name",
      "kind": "field",
      "file": "pets/v1/pets.proto",
      "line": 18,
      "comment": "",
      "source": "string name = 1;"
    }
    "#
    );
}

#[test]
fn a_name_that_is_not_clear_is_told_with_what_it_may_mean() {
    let sandbox = pets();
    let toys = PETS.replace("pets.v1", "toys.v1");
    fs::write(sandbox.path().join("toys.proto"), toys).expect("written");
    insta::assert_snapshot!(sandbox.msvc(["proto", "describe", "PetServce"]), @r"
    exit: 2
    --- stderr ---
    error: nothing is called `PetServce`
    hint: did you mean `pets.v1.PetService`?
    ");
    insta::assert_snapshot!(sandbox.msvc(["proto", "describe", "Pet"]), @r"
    exit: 2
    --- stderr ---
    error: `Pet` may mean 2 things:
      pets.v1.Pet
      toys.v1.Pet
    hint: give the name in full
    ");
}

#[test]
fn a_descriptor_set_has_what_is_imported_and_where_all_stands() {
    let sandbox = pets();
    let build = |more: &[&str]| {
        let args = ["proto", "build", "-o", "set.binpb"];
        let output = sandbox.msvc(args.iter().chain(more));
        assert!(output.starts_with("exit: 0"), "{output}");
        let encoded = fs::read(sandbox.path().join("set.binpb")).expect("there");
        DescriptorPool::decode(encoded.as_slice())
    };
    let pool = build(&[]).expect("a descriptor set");
    let names: Vec<String> = pool.files().map(|it| it.name().to_owned()).collect();
    assert_eq!(
        names,
        ["google/protobuf/timestamp.proto", "pets/v1/pets.proto"]
    );
    let has_places = |pool: &DescriptorPool| {
        let file = pool.get_file_by_name("pets/v1/pets.proto").expect("there");
        file.file_descriptor_proto().source_code_info.is_some()
    };
    assert!(has_places(&pool));
    assert!(!has_places(
        &build(&["--exclude-source-info"]).expect("a descriptor set")
    ));
    // Without what it imports, the file is all that is in it, so that it cannot be linked.
    let error = build(&["--exclude-imports"]).expect_err("an import is missing");
    assert!(error.to_string().contains("timestamp.proto"), "{error}");
    let output = sandbox.msvc(["proto", "breaking", "--against", "set.binpb"]);
    assert!(output.starts_with("exit: 2"), "{output}");
}

#[test]
fn a_slip_in_a_part_of_a_name_is_seen_in_its_message() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    for (given, meant) in [
        ("User.nme", "user.v1.User.name"),
        ("user.v1.User.nme", "user.v1.User.name"),
        ("Usr", "user.v1.User"),
        ("UserService.GetUsr", "user.v1.UserService.GetUser"),
    ] {
        assert_eq!(
            sandbox.msvc(["proto", "describe", given]),
            format!(
                "exit: 2\n--- stderr ---\nerror: nothing is called `{given}`\n\
                 hint: did you mean `{meant}`?\n"
            )
        );
    }
}
